import numpy as np

from tests.agreement.registry import case, error_of, painted

COMPARES = dict(dtypes=("float64",), note="a candidate is accepted or not by a comparison")


def slanted(on, prior=None, page="target"):
    """A Gaussian likelihood of two unconstrained parameters, with correlation, and its gradient."""
    middle, precision = on.put(np.array([0.4, -0.7])), on.put(np.array([[3.0, 1.1], [1.1, 2.0]]))

    def log_likelihood(u):
        return log_likelihood_and_grad(u)[0]

    def log_likelihood_and_grad(u):
        pull = (u - middle) @ precision
        return -0.5 * (pull * (u - middle)).sum(axis=1), -pull
    prior = prior or on.package.priors.BoxUniform([-1.0, 2.0], [3.0, 2.5])
    return getattr(on.package.inference, page).Target(prior, log_likelihood, log_likelihood_and_grad)


@case("inference.slice_sampler.sample", sizes=(1, 7), terms=100, **COMPARES)
def _(on, paint, n):
    return on.package.inference.slice_sampler.sample(on.rng(n), slanted(on), on.put(painted(paint, (n, 2))),
                                                     n_samples=20, n_warmup=10, width=0.5)


@case("inference.slice_sampler.sample#narrow", sizes=(5,), terms=100, **COMPARES)
def _(on, paint, n):
    """Without a warm-up the interval grows until its steps are spent."""
    return on.package.inference.slice_sampler.sample(on.rng(n), slanted(on), on.put(painted(paint, (n, 2))),
                                                     n_samples=5, n_warmup=0, width=0.01)


@case("inference.slice_sampler.sample#not finite", sizes=(5,), terms=100, **COMPARES)
def _(on, paint, n):
    make, results = on.package.inference.target.Target, []
    for bad in (np.nan, np.inf):
        good = slanted(on)
        target = make(good.prior, lambda u, bad=bad: on.xp.where(u[:, 0] > 1.2, bad, good.log_likelihood(u)))
        try:
            on.package.inference.slice_sampler.sample(on.rng(n), target, on.put(np.zeros((n, 2))),
                                                      n_samples=50, n_warmup=0)
        except on.package.inference.chains.NonFiniteTargetError as error:
            results += [str(error), error.iteration, error.n_chains, error.chains]
    return results


@case("inference.slice_sampler.sample#bad", sizes=(3,))
def _(on, paint, n):
    sample, target, start = on.package.inference.slice_sampler.sample, slanted(on), painted(paint, (n, 2))
    nothing = on.package.inference.run_chains.Target(target.prior, lambda u: u[:, 0] * 0 - np.inf)
    starts = [error_of(sample, on.rng(n), target, on.put(bad), n_samples=5)
              for bad in (start[0], start * np.nan)]
    settings = [error_of(sample, on.rng(n), target, on.put(start), **ask)
                for ask in (dict(n_samples=5, width=0.0), dict(n_samples=0))]
    return starts, settings, error_of(sample, on.rng(n), nothing, on.put(start), n_samples=5)
