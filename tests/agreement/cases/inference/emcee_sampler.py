import numpy as np

from tests.agreement.cases.inference.slice_sampler import COMPARES, slanted
from tests.agreement.registry import case, error_of, painted


@case("inference.emcee_sampler.sample", sizes=(4, 10), terms=100, **COMPARES)
def _(on, paint, n):
    return on.package.inference.emcee_sampler.sample(on.rng(n), slanted(on), on.put(painted(paint, (n, 2))),
                                                     n_samples=15, n_warmup=5)


@case("inference.emcee_sampler.sample#not finite", sizes=(6,), terms=100, **COMPARES)
def _(on, paint, n):
    good, results = slanted(on), []
    for bad in (np.nan, np.inf):
        def log_likelihood(u, bad=bad):
            return on.xp.where(u[:, 0] > 1.2, bad, good.log_likelihood(u))
        target = on.package.inference.target.Target(good.prior, log_likelihood)
        try:
            on.package.inference.emcee_sampler.sample(on.rng(n), target, on.put(paint.random((n, 2))),
                                                      n_samples=80, n_warmup=0)
        except on.package.inference.chains.NonFiniteTargetError as error:
            results += [str(error), error.iteration, error.n_chains, error.chains]
    return results


@case("inference.emcee_sampler.sample#bad", sizes=(5,))
def _(on, paint, n):
    sample, good = on.package.inference.emcee_sampler.sample, slanted(on)
    start = painted(paint, (n, 2))
    nothing = on.package.inference.target.Target(good.prior, lambda u: u[:, 0] - np.inf)
    starts = [error_of(sample, on.rng(n), good, on.put(bad), n_samples=5)
              for bad in (start, start[:2], start[0], start[:4] * np.nan)]
    return starts, error_of(sample, on.rng(n), nothing, on.put(start[:4]), n_samples=5)
