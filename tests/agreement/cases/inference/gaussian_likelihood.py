import warnings

import numpy as np

from tests.agreement.cases.inference.slice_sampler import COMPARES
from tests.agreement.registry import case, error_of, painted

TRUTH = np.array([[0.24, 15.0, 7.0]])


def covariance(paint, kind):
    """100 variances, or a matrix of correlated noise, as of neighbouring bins."""
    std = 0.02 * (1 + 0.5 * paint.random(100))
    lag = np.abs(np.subtract.outer(np.arange(100), np.arange(100)))
    return std**2 if kind == "variances" else np.outer(std, std) * 0.6**lag


def posterior(on, paint, kind, slope=True):
    module, make = on.package.simulators.global_signal, on.package.inference.gaussian_likelihood.Posterior
    return make(module.prior, module.signal, covariance(paint, kind), module.signal_vjp if slope else None)


def observed(on, paint):
    z = np.linspace(5, 30, 100)
    return on.put(-0.24 * np.exp(-0.5 * ((z - 15) / 7)**2) + 0.02 * paint.standard_normal(100))


def theta(paint, n):
    return paint.uniform([0.01, 10.0, 5.0], [0.3, 20.0, 10.0], (n, 3))


for kind in ("variances", "matrix"):
    @case(f"inference.gaussian_likelihood.Posterior.log_likelihood#{kind}", sizes=(1, 31), terms=300)
    def _(on, paint, n, kind=kind):
        return posterior(on, paint, kind).log_likelihood(on.put(theta(paint, n)), observed(on, paint))

    @case(f"inference.gaussian_likelihood.Posterior.log_prob#{kind}", sizes=(1, 31), terms=300)
    def _(on, paint, n, kind=kind):
        at = theta(paint, n)
        at[3::7, 1] = 21.0
        return posterior(on, paint, kind).log_prob(on.put(at), observed(on, paint))

    @case(f"inference.gaussian_likelihood.Posterior.target#{kind}", sizes=(1, 31), terms=1000)
    def _(on, paint, n, kind=kind):
        target, u = posterior(on, paint, kind).target(observed(on, paint)), on.put(painted(paint, (n, 3)))
        return target.log_prob(u), target.log_prob_and_grad(u)

for name in ("slice_sampler", "hmc", "emcee_sampler"):
    @case(f"inference.gaussian_likelihood.Posterior.draws#{name}", sizes=(5,), terms=10_000, **COMPARES)
    def _(on, paint, n, name=name):
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            return on.package.inference.run_chains.sample(
                on.rng(n), posterior(on, paint, "matrix").target(observed(on, paint)), n,
                sampler=getattr(on.package.inference, name),
                n_chains=6, n_warmup=4, thin=2, n_least=8, n_candidates=50).theta


@case("inference.gaussian_likelihood.Posterior.draws", sizes=(3,), terms=10_000, **COMPARES)
def _(on, paint, n):
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        return posterior(on, paint, "variances").draws(on.rng(n), n, observed(on, paint), n_chains=3,
                                                       n_warmup=2, thin=1, n_least=4, n_candidates=30)


@case("inference.gaussian_likelihood.Posterior.sample", sizes=(3,), terms=10_000, **COMPARES)
def _(on, paint, n):
    posterior_, x = posterior(on, paint, "variances"), observed(on, paint)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        return posterior_.sample(on.rng(n), n, on.xp.stack([x]), n_chains=3, n_warmup=2, thin=1, n_least=4,
                                 n_candidates=30)


@case("inference.gaussian_likelihood.Posterior.draws#bad", sizes=(3,))
def _(on, paint, n):
    standard, module = on.package.inference.gaussian_likelihood, on.package.simulators.global_signal
    x = observed(on, paint)
    lame, sound = posterior(on, paint, "variances", slope=False), posterior(on, paint, "variances")
    short = standard.Posterior(module.prior, lambda theta: module.signal(theta)[:, 1:], np.ones(100))
    skew = np.eye(3) + np.diag([0.1, 0.1], 1)
    covariances = [error_of(standard.Posterior, module.prior, module.signal, bad) for bad in (
        np.zeros(3), np.eye(3) - 0.6, skew, np.full(3, np.nan), np.ones((2, 3)), np.ones((2, 2, 2)))]
    asked = [error_of(sound.draws, on.rng(n), n, bad)
             for bad in (x[1:], x * np.nan)] + [error_of(sound.sample, on.rng(n), 0, x)]
    models = [error_of(short.draws, on.rng(n), n, x),
              error_of(lame.draws, on.rng(n), n, x, sampler=on.package.inference.hmc)]
    return covariances, asked, models
