"""Gaussian linear: ten means with a normal prior, each observed once with normal noise.

The mathematics is in `reference.simulators.gaussian_linear`. Same values; draws are scaled and shifted in
place, and the quadratic form is summed row by row without a temporary of its size.

Example
-------
>>> import numpy as np
>>> from accel.simulators import gaussian_linear
>>> x = gaussian_linear.simulate(np.random.default_rng(0), np.zeros((1, 10)))[0]
>>> draws = gaussian_linear.exact_posterior_sample(np.random.default_rng(1), 1000, x)
>>> print(np.abs(draws.mean(axis=0) - x / 2).max() < 0.03)
True
"""
import math

import numpy as np

from accel.device import array_module, kernel_code
from accel.priors import Normal
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

__all__ = ["prior", "simulate", "log_likelihood", "exact_posterior_sample", "exact_posterior_log_prob"]

DIM, VARIANCE = 10, 0.1
prior = Normal(np.zeros(DIM), np.full(DIM, np.sqrt(VARIANCE)))                # (1)


@kernel_code("""
__device__ void simulate(const real* theta, const real* noise, real* x) {
  for (int i = 0; i < 10; i++) x[i] = theta[i] + sqrt(real(0.1)) * noise[i];
}""", theta_dim=DIM, x_dim=DIM, draws=(("standard_normal", DIM),))
def simulate(rng: Rng, theta: Array) -> Array:
    """x (N, 10).

    Parameters
    ----------
    rng : Generator
    theta : (N, 10) float
    """
    theta = checks.as_array("theta", theta, ("N", DIM))
    x = array_module(theta).asarray(rng.standard_normal(theta.shape), dtype=theta.dtype)
    x *= math.sqrt(VARIANCE)
    x += theta                                                        # (2)
    return x


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
    return _log_normal(x - theta, VARIANCE)                           # (2)


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
    theta = array_module(x).asarray(rng.standard_normal((checks.check_count("n", n), DIM)), dtype=x.dtype)
    theta *= math.sqrt(VARIANCE / 2)
    theta += x / 2                                                    # (3)
    return theta


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
    return _log_normal(theta - x / 2, VARIANCE / 2)                   # (3)


def _log_normal(deviation, variance):
    """log N(deviation; 0, variance I) of each row."""
    log_prob = array_module(deviation).einsum("ij,ij->i", deviation, deviation)
    log_prob *= -0.5 / variance
    log_prob -= 0.5 * DIM * math.log(2 * math.pi * variance)
    return log_prob
