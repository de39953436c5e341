"""Gaussian linear: ten means with a normal prior, each observed once with normal noise.

    (1)  θ ~ N(0, v I),  v = 0.1
    (2)  x ~ N(θ, v I)
    (3)  θ | x ~ N(x/2, v/2 I)                                       prior and noise have the same variance

Shapes        N samples; θ and x (N, 10); one observation x (10,).
Conventions   0.1 is a variance; densities in nats.
Source        "Benchmarking simulation-based inference", Lueckmann et al., 2021, task T.1.

Example
-------
>>> import numpy as np
>>> from reference.simulators import gaussian_linear
>>> x = gaussian_linear.simulate(np.random.default_rng(0), np.zeros((1, 10)))[0]
>>> draws = gaussian_linear.exact_posterior_sample(np.random.default_rng(1), 1000, x)
>>> print(np.abs(draws.mean(axis=0) - x / 2).max() < 0.03)
True
"""
import numpy as np

from reference.priors import Normal
from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = ["prior", "simulate", "log_likelihood", "exact_posterior_sample", "exact_posterior_log_prob"]

DIM, VARIANCE = 10, 0.1
prior = Normal(np.zeros(DIM), np.full(DIM, np.sqrt(VARIANCE)))                # (1)


def simulate(rng: Rng, theta: Array) -> Array:
    """x (N, 10).

    Parameters
    ----------
    rng : Generator
    theta : (N, 10) float
    """
    theta = checks.as_array("theta", theta, ("N", DIM))
    return theta + np.sqrt(VARIANCE) * rng.standard_normal(theta.shape)           # (2)


def log_likelihood(theta: Array, x: Array) -> Array:
    """log p(x|θ) in nats, (N,).

    Parameters
    ----------
    theta : (N, 10) float
    x : (10,) or (N, 10) float
        One observation, or one for each θ.
    """
    theta = checks.as_array("theta", theta, ("N", DIM))
    x = checks.as_array("x", x, (DIM,) if np.ndim(x) == 1 else (len(theta), DIM))
    return _log_normal(x - theta, VARIANCE)                                       # (2)


def exact_posterior_sample(rng: Rng, n: int, x: Array) -> Array:
    """n draws of θ | x, (n, 10).

    Parameters
    ----------
    rng : Generator
    n : int
    x : (10,) float
        One observation.

    Raises
    ------
    ValueError
        If n is not a whole number above zero, or x is not a finite (10,) array.
    """
    x = checks.as_array("x", x, (DIM,))
    checks.check_finite("x", x)
    return x / 2 + np.sqrt(VARIANCE / 2) * rng.standard_normal((checks.check_count("n", n), DIM))        # (3)


def exact_posterior_log_prob(theta: Array, x: Array) -> Array:
    """log p(θ|x) in nats, (N,).

    Parameters
    ----------
    theta : (N, 10) float
    x : (10,) or (N, 10) float
        One observation, or one for each θ.
    """
    theta = checks.as_array("theta", theta, ("N", DIM))
    x = checks.as_array("x", x, (DIM,) if np.ndim(x) == 1 else (len(theta), DIM))
    return _log_normal(theta - x / 2, VARIANCE / 2)                               # (3)


def _log_normal(deviation, variance):
    """log N(deviation; 0, variance I) of each row."""
    return np.sum(-0.5 * deviation**2 / variance - 0.5 * np.log(2 * np.pi * variance), axis=-1)
