import numpy as np

from tests.agreement.cases.inference.slice_sampler import slanted
from tests.agreement.registry import case, error_of, painted

COMPARES = dict(dtypes=("float64",), note="a trajectory is accepted or not by a comparison")


@case("inference.hmc.sample", sizes=(1, 7), terms=1000, **COMPARES)
def _(on, paint, n):
    return on.package.inference.hmc.sample(on.rng(n), slanted(on), on.put(painted(paint, (n, 2))),
                                           n_samples=10, n_warmup=13)


@case("inference.hmc.sample#simplex", sizes=(5,), terms=1000, **COMPARES)
def _(on, paint, n):
    target = slanted(on, on.package.priors.Dirichlet([0.6, 2.0, 3.0]))
    return on.package.inference.hmc.sample(on.rng(n), target, on.put(painted(paint, (n, 2))), n_samples=8,
                                           n_warmup=1, trajectory=1.0)


@case("inference.hmc.sample#diverging", sizes=(6,), terms=1000, **COMPARES)
def _(on, paint, n):
    """Beyond a wall there is nothing: trajectories that cross it diverge."""
    good, middle = slanted(on), on.put(np.array([0.4, -0.7]))

    def walled(u):
        log_prob, grad = good.log_likelihood_and_grad(u)
        return on.xp.where(u[:, 0] > 0.5, -np.inf, log_prob), grad
    target = on.package.inference.run_chains.Target(good.prior, lambda u: walled(u)[0], walled)
    start = on.put(np.tile([0.4, -0.7], (n, 1)) - paint.random((n, 2))) + 0 * middle
    return on.package.inference.hmc.sample(on.rng(n), target, start, n_samples=10, n_warmup=0)


@case("inference.hmc.sample#not finite", sizes=(5,), terms=1000, **COMPARES)
def _(on, paint, n):
    good, results = slanted(on), []
    for bad_value, bad_slope in ((np.nan, 0.0), (np.inf, 0.0), (0.0, np.nan), (0.0, np.inf)):
        def broken(u, bad_value=bad_value, bad_slope=bad_slope):
            (log_prob, grad), beyond = good.log_likelihood_and_grad(u), u[:, 0] > 1.6
            return on.xp.where(beyond, bad_value, log_prob), on.xp.where(beyond[:, None], bad_slope, grad)
        target = on.package.inference.run_chains.Target(good.prior, good.log_likelihood, broken)
        try:
            on.package.inference.hmc.sample(on.rng(n), target, on.put(np.zeros((n, 2))), n_samples=60,
                                            n_warmup=0, trajectory=1.0)
        except on.package.inference.chains.NonFiniteTargetError as error:
            results += [str(error), error.iteration, error.n_chains, error.chains]
    return results


@case("inference.hmc.sample#bad", sizes=(3,))
def _(on, paint, n):
    sample, good, start = on.package.inference.hmc.sample, slanted(on), painted(paint, (n, 2))
    target = on.package.inference.run_chains.Target
    flat = target(good.prior, good.log_likelihood)
    flipped = target(good.prior, good.log_likelihood, lambda u: (good.log_likelihood(u), 9 * u))
    nothing = target(good.prior, lambda u: u[:, 0] - np.inf, lambda u: (u[:, 0] - np.inf, u))
    starts = [error_of(sample, on.rng(n), good, on.put(bad), n_samples=5)
              for bad in (start[0], start * np.nan)]
    settings = [error_of(sample, on.rng(n), good, on.put(start), **ask)
                for ask in (dict(n_samples=5, trajectory=0.0), dict(n_samples=0),
                            dict(n_samples=5, target_acceptance=1.0))]
    targets = [error_of(sample, on.rng(n), bad, on.put(start), n_samples=5) for bad in (flat, nothing)]
    return (starts, settings, targets,
            error_of(sample, on.rng(n), flipped, on.put(start), n_samples=5).partition("slope")[0])
