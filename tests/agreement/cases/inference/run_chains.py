import warnings

import numpy as np

from tests.agreement.cases.inference.slice_sampler import COMPARES, slanted
from tests.agreement.registry import case, error_of


@case("inference.run_chains.sample", sizes=(1, 13), terms=1000, **COMPARES)
def _(on, paint, n):
    target = slanted(on)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        return on.package.inference.run_chains.sample(on.rng(n), target, n, n_chains=5, n_warmup=5, thin=4,
                                                      n_least=9, n_candidates=40)


@case("inference.run_chains.sample#metropolis", sizes=(13,), terms=1000, **COMPARES)
def _(on, paint, n):
    inference, target = on.package.inference, slanted(on)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        return inference.run_chains.sample(on.rng(n), target, n, sampler=inference.metropolis, n_chains=5,
                                           n_warmup=5, thin=2, n_least=9, n_candidates=40)


@case("inference.run_chains.sample#nested from a start", sizes=(5,))
def _(on, paint, n):
    inference, target = on.package.inference, slanted(on)
    return error_of(inference.run_chains.sample, on.rng(n), target, n, sampler=inference.nested_sampler,
                    start=on.put(np.zeros((1, 2))))


@case("inference.run_chains.sample#simplex from a start", sizes=(9,), terms=1000, **COMPARES)
def _(on, paint, n):
    target = slanted(on, on.package.priors.Dirichlet([0.6, 2.0, 3.0]))
    start = on.put(paint.dirichlet([1.0, 2.0, 3.0], 4))
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        return on.package.inference.run_chains.sample(on.rng(n), target, n, n_warmup=5, n_least=20, thin=1,
                                                      start=start)


@case("inference.run_chains.sample#stopped", sizes=(20,), terms=1000, **COMPARES)
def _(on, paint, n):
    """Interrupted, not finite, and not mixed: what is said, and what is kept."""
    run_chains, good, results = on.package.inference.run_chains, slanted(on), []
    for stop in (KeyboardInterrupt(), np.nan):
        calls = []

        def log_likelihood(u, stop=stop, calls=calls):
            calls.append(1)
            if len(calls) > 300 and stop is not np.nan:
                raise stop
            return good.log_likelihood(u) * (stop if len(calls) > 300 else 1)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                target = run_chains.Target(good.prior, log_likelihood)
                results.append(run_chains.sample(on.rng(n), target, n, n_chains=4, n_warmup=2,
                                                 n_candidates=30))
            except on.package.inference.chains.NonFiniteTargetError as error:
                results += [error.sampler, error.n_chains > 0, error.theta.shape[0] > 0]
        results.append([str(warning.message) for warning in heard] if stop is np.nan else len(heard))
    return results


@case("inference.run_chains.sample#bad", sizes=(5,))
def _(on, paint, n):
    run_chains, good = on.package.inference.run_chains, slanted(on)

    def sample(target=good, n=n, **ask):
        return run_chains.sample(on.rng(1), target, n, **{"n_chains": 4, "n_candidates": 30, **ask})
    nowhere = run_chains.Target(good.prior, lambda u: u[:, 0] - np.inf)
    broken = run_chains.Target(good.prior, lambda u: u[:, 0] * np.nan)
    outside, flat = on.put(np.array([[0.0, 2.2], [3.5, 2.2]])), on.put(np.zeros((2, 3)))
    return [error_of(sample, **ask)
            for ask in (dict(n=0), dict(thin=0), dict(n_chains=0), dict(n_candidates=3), dict(start=outside),
                        dict(start=flat), dict(target=nowhere), dict(target=broken),
                        dict(n_warmup=-1), dict(n_least=0))]


@case("inference.run_chains.sample#any dtype", sizes=(6,))
def _(on, paint, n):
    """Draws are inside the prior, in the dtype and where the values of the likelihood are, wherever the
    starts are drawn."""
    found = []
    for sampler in (on.package.inference.slice_sampler, on.package.inference.hmc):
        for rng in (on.rng(n), np.random.default_rng(n)):
            target = located(on, slanted(on))
            with warnings.catch_warnings(record=True):
                warnings.simplefilter("always")
                draws = on.package.inference.run_chains.sample(rng, target, n, sampler=sampler, n_chains=4,
                                                               n_warmup=6, thin=1, n_least=8, n_candidates=30)
            numbers = (draws.theta, draws.log_prob, draws.r_hat, draws.ess, draws.chains.u,
                       draws.chains.log_prob)
            found.append([str(a.dtype) == on.dtype for a in numbers])
            found.append([target.prior.contains(draws.theta), on.xp.isfinite(draws.log_prob)])
    return found


def located(on, target):
    """The target with likelihoods that bring u to where they live, as those of a trained model do."""
    def there(u):
        return on.put(u) if isinstance(u, np.ndarray) else u
    return on.package.inference.run_chains.Target(target.prior, lambda u: target.log_likelihood(there(u)),
                                                  lambda u: target.log_likelihood_and_grad(there(u)))
