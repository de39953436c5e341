"""Power law: one parameter, one number, a steep curve and normal noise; the lecture's example for rejection ABC.

The mathematics is in `reference.simulators.power_law`. Same values; θ^(−1.5) is 1/(θ√θ), a square root and a division instead of
a general power, written over the noise that it is added to.
"""
import math

import numpy as np

from accel.runtime import checks
from accel.priors import BoxUniform
from accel.device import array_module, kernel_code, like, to_host
from accel.numerics.grid import fit_grid

__all__ = ["prior", "simulate", "log_likelihood", "exact_posterior_sample", "exact_posterior_log_prob"]

N_NODES = 2001
prior = BoxUniform([0.03], [0.3])


@kernel_code("""
__device__ void simulate(const real* theta, const real* noise, real* x) {
  x[0] = 1 / (theta[0] * sqrt(theta[0])) + 5 * noise[0];
}""", theta_dim=1, x_dim=1, draws=(("standard_normal", 1),))
def simulate(rng, theta, *, noise=5.0):
    """x (N, 1) for θ (N, 1)."""
    mean = curve(theta)
    x = like(mean, rng.standard_normal(mean.shape))
    x *= checks.check_positive("noise", noise)
    x += mean
    return x


def log_likelihood(theta, x, *, noise=5.0):
    """log p(x|θ), (N,), for θ (N, 1) and one observation x (1,) or one for each θ (N, 1)."""
    deviation, noise = curve(theta)[:, 0], checks.check_positive("noise", noise)
    x = checks.as_array("x", x, (1,) if np.ndim(x) == 1 else (len(deviation), 1))
    deviation -= x[..., 0]
    deviation *= 1 / noise
    deviation *= deviation
    deviation *= -0.5
    deviation -= 0.5 * math.log(2 * math.pi * noise**2)
    return deviation


def exact_posterior_sample(rng, n, x, *, noise=5.0):
    """n draws of θ | x, (n, 1), for one observation x (1,)."""
    x, grid = checks.as_array("x", x, (1,)), posterior_grid(x, noise)
    return like(x, grid.sample(rng, n))


def exact_posterior_log_prob(theta, x, *, noise=5.0):
    """log p(θ|x), (N,), for θ (N, 1) and one observation x (1,); −inf outside the prior."""
    theta, log_evidence = checks.as_array("theta", theta, ("N", 1)), posterior_grid(x, noise).log_integral
    xp, inside = array_module(theta), prior.contains(theta)
    log_prob = log_likelihood(xp.where(inside[:, None], theta, like(theta, 0.1)), x, noise=noise)
    log_prob -= log_evidence
    return xp.where(inside, log_prob, like(log_prob, -np.inf))


def posterior_grid(x, noise):
    """The likelihood of one observation over the prior's range, on the host."""
    x = checks.as_array("x", x, (1,))
    checks.check_finite("x", x)
    x = to_host(x).astype(np.float64)
    return fit_grid(lambda theta: log_likelihood(theta, x, noise=noise), prior.low, prior.high, n_nodes=N_NODES)


def curve(theta):
    """θ^(−1.5), (N, 1)."""
    theta = checks.as_array("theta", theta, ("N", 1))
    if not bool((theta > 0).all()):
        raise ValueError(f"theta: expected positive numbers, got {float(theta.min()):.6g} as the smallest")
    xp, mean = array_module(theta), array_module(theta).sqrt(theta)
    mean *= theta
    return xp.reciprocal(mean, out=mean)
