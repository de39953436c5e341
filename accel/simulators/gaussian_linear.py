"""Gaussian linear: ten means with a normal prior, each seen once through normal noise.

The mathematics is in `reference.simulators.gaussian_linear`. Same values; draws are scaled and shifted where they were born, and
the quadratic form is summed row by row without a temporary of its size.
"""
import math

import numpy as np

from accel.runtime import checks
from accel.priors import Normal
from accel.device import array_module, kernel_code

__all__ = ["prior", "simulate", "log_likelihood", "exact_posterior_sample", "exact_posterior_log_prob"]

DIM, VARIANCE = 10, 0.1
prior = Normal(np.zeros(DIM), np.full(DIM, np.sqrt(VARIANCE)))


@kernel_code("""
__device__ void simulate(const real* theta, const real* noise, real* x) {
  for (int i = 0; i < 10; i++) x[i] = theta[i] + sqrt(real(0.1)) * noise[i];
}""", theta_dim=DIM, x_dim=DIM, draws=(("standard_normal", DIM),))
def simulate(rng, theta):
    """x (N, 10) for θ (N, 10)."""
    theta = checks.as_array("theta", theta, ("N", DIM))
    x = array_module(theta).asarray(rng.standard_normal(theta.shape), dtype=theta.dtype)
    x *= math.sqrt(VARIANCE)
    x += theta
    return x


def log_likelihood(theta, x):
    """log p(x|θ), (N,), for θ (N, 10) and one observation x (10,) or one for each θ (N, 10)."""
    theta = checks.as_array("theta", theta, ("N", DIM))
    x = checks.as_array("x", x, (DIM,) if np.ndim(x) == 1 else (len(theta), DIM))
    return _log_normal(x - theta, VARIANCE)


def exact_posterior_sample(rng, n, x):
    """n draws of θ | x, (n, 10), for one observation x (10,)."""
    x = checks.as_array("x", x, (DIM,))
    checks.check_finite("x", x)
    theta = array_module(x).asarray(rng.standard_normal((checks.check_count("n", n), DIM)), dtype=x.dtype)
    theta *= math.sqrt(VARIANCE / 2)
    theta += x / 2
    return theta


def exact_posterior_log_prob(theta, x):
    """log p(θ|x), (N,), for θ (N, 10) and one observation x (10,) or one for each θ (N, 10)."""
    theta = checks.as_array("theta", theta, ("N", DIM))
    x = checks.as_array("x", x, (DIM,) if np.ndim(x) == 1 else (len(theta), DIM))
    return _log_normal(theta - x / 2, VARIANCE / 2)


def _log_normal(deviation, variance):
    log_prob = array_module(deviation).einsum("ij,ij->i", deviation, deviation)
    log_prob *= -0.5 / variance
    log_prob -= 0.5 * DIM * math.log(2 * math.pi * variance)
    return log_prob
