"""Gaussian linear: ten means with a normal prior, each seen once through normal noise.

    (1)  θ ~ N(0, v I),  v = 0.1
    (2)  x ~ N(θ, v I)
    (3)  θ | x ~ N(x/2, v/2 I)                                       prior and noise weigh the same

Shapes        N samples; θ and x (N, 10); one observation x (10,).
Conventions   0.1 is a variance; densities in nats.
Source        "Benchmarking simulation-based inference", Lueckmann et al., 2021, task T.1.
"""
import numpy as np

from reference.runtime import checks
from reference.priors import Normal

__all__ = ["prior", "simulate", "log_likelihood", "exact_posterior_sample", "exact_posterior_log_prob"]

DIM, VARIANCE = 10, 0.1
prior = Normal(np.zeros(DIM), np.full(DIM, np.sqrt(VARIANCE)))                                        # (1)


def simulate(rng, theta):
    """x (N, 10) for θ (N, 10)."""
    theta = checks.as_array("theta", theta, ("N", DIM))
    return theta + np.sqrt(VARIANCE) * rng.standard_normal(theta.shape)                               # (2)


def log_likelihood(theta, x):
    """log p(x|θ), (N,), for θ (N, 10) and one observation x (10,) or one for each θ (N, 10)."""
    theta = checks.as_array("theta", theta, ("N", DIM))
    x = checks.as_array("x", x, (DIM,) if np.ndim(x) == 1 else (len(theta), DIM))
    return _log_normal(x - theta, VARIANCE)                                                           # (2)


def exact_posterior_sample(rng, n, x):
    """n draws of θ | x, (n, 10), for one observation x (10,)."""
    x = checks.as_array("x", x, (DIM,))
    checks.check_finite("x", x)
    return x / 2 + np.sqrt(VARIANCE / 2) * rng.standard_normal((checks.check_count("n", n), DIM))     # (3)


def exact_posterior_log_prob(theta, x):
    """log p(θ|x), (N,), for θ (N, 10) and one observation x (10,) or one for each θ (N, 10)."""
    theta = checks.as_array("theta", theta, ("N", DIM))
    x = checks.as_array("x", x, (DIM,) if np.ndim(x) == 1 else (len(theta), DIM))
    return _log_normal(theta - x / 2, VARIANCE / 2)                                                   # (3)


def _log_normal(deviation, variance):
    return np.sum(-0.5 * deviation**2 / variance - 0.5 * np.log(2 * np.pi * variance), axis=-1)
