import numpy as np

from tests.agreement.cases.inference.slice_sampler import COMPARES, slanted
from tests.agreement.registry import case, error_of, painted


@case("inference.metropolis.sample", sizes=(1, 7), terms=100, **COMPARES)
def _(on, paint, n):
    return on.package.inference.metropolis.sample(on.rng(n), slanted(on), on.put(painted(paint, (n, 2))),
                                                  n_samples=20, n_warmup=10, scale=0.5)


@case("inference.metropolis.sample#without warm-up", sizes=(5,), terms=100, **COMPARES)
def _(on, paint, n):
    target = slanted(on, on.package.priors.Dirichlet([0.6, 2.0, 3.0]))
    return on.package.inference.metropolis.sample(on.rng(n), target, on.put(painted(paint, (n, 2))),
                                                  n_samples=20, n_warmup=0, target_acceptance=0.4)


@case("inference.metropolis.sample#not finite", sizes=(5,), terms=100, **COMPARES)
def _(on, paint, n):
    inference, results = on.package.inference, []
    for bad in (np.nan, np.inf):
        good = slanted(on)
        target = inference.target.Target(good.prior,
                                         lambda u, bad=bad: on.xp.where(u[:, 0] > 1.2, bad,
                                                                        good.log_likelihood(u)))
        try:
            inference.metropolis.sample(on.rng(n), target, on.put(np.zeros((n, 2))), n_samples=50, n_warmup=0)
        except inference.chains.NonFiniteTargetError as error:
            results += [str(error), error.iteration, error.n_chains, error.chains]
    return results


@case("inference.metropolis.sample#bad", sizes=(3,))
def _(on, paint, n):
    sample, target, start = on.package.inference.metropolis.sample, slanted(on), painted(paint, (n, 2))
    nothing = on.package.inference.target.Target(target.prior, lambda u: u[:, 0] * 0 - np.inf)
    starts = [error_of(sample, on.rng(n), target, on.put(bad), n_samples=5)
              for bad in (start[0], start * np.nan)]
    settings = [error_of(sample, on.rng(n), target, on.put(start), **ask) for ask in (
        dict(n_samples=5, scale=0.0), dict(n_samples=0), dict(n_samples=5, target_acceptance=1.0))]
    return starts, settings, error_of(sample, on.rng(n), nothing, on.put(start), n_samples=5)
