"""Power law: one parameter, one datum, a steep curve and normal noise; an example for rejection ABC.

The mathematics is in `reference.simulators.power_law`. Same values; θ^(−1.5) is computed as 1/(θ√θ), a square
root and a division instead of a general power, and is added to the noise in place.

Example
-------
>>> import numpy as np
>>> from accel.simulators import power_law
>>> power_law.simulate(np.random.default_rng(0), np.array([[0.1], [0.2]])).round(1)
array([[32.3],
       [10.5]])
"""
import math

import numpy as np

from accel.device import array_module, kernel_code, like, to_host
from accel.numerics.grid import fit_grid
from accel.priors import BoxUniform
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

__all__ = ["prior", "simulate", "log_likelihood", "exact_posterior_sample", "exact_posterior_log_prob"]

N_NODES = 2001
prior = BoxUniform([0.03], [0.3])                                     # (1)


@kernel_code("""
__device__ void simulate(const real* theta, const real* noise, real* x) {
  x[0] = 1 / (theta[0] * sqrt(theta[0])) + 5 * noise[0];
}""", theta_dim=1, x_dim=1, draws=(("standard_normal", 1),))
def simulate(rng: Rng, theta: Array, *, noise: float = 5.0) -> Array:
    """x (N, 1).

    Parameters
    ----------
    rng : Generator
    theta : (N, 1) float
        Positive.
    noise : float
        Standard deviation.

    Raises
    ------
    ValueError
        If theta or noise is not positive.
    """
    mean = curve(theta)
    x = like(mean, rng.standard_normal(mean.shape))
    x *= checks.check_positive("noise", noise)
    x += mean                                                         # (2)
    return x


def log_likelihood(theta: Array, x: Array, *, noise: float = 5.0) -> Array:
    """log p(x|θ) in nats, (N,).

    Parameters
    ----------
    theta : (N, 1) float
        Positive.
    x : (1,) or (N, 1) float
        One observation, or one for each θ.
    noise : float
        Standard deviation.

    Raises
    ------
    ValueError
        If theta or noise is not positive, or x has another shape.
    """
    deviation, noise = curve(theta)[:, 0], checks.check_positive("noise", noise)
    x = checks.as_array("x", x, (1,) if np.ndim(x) == 1 else (len(deviation), 1))
    deviation -= x[..., 0]
    deviation *= 1 / noise
    deviation *= deviation
    deviation *= -0.5
    deviation -= 0.5 * math.log(2 * math.pi * noise**2)               # (2)
    return deviation


def exact_posterior_sample(rng: Rng, n: int, x: Array, *, noise: float = 5.0) -> Array:
    """n draws of θ | x, (n, 1).

    Parameters
    ----------
    rng : Generator
    n : int
    x : (1,) float
        One observation.
    noise : float
        Standard deviation.

    Raises
    ------
    ValueError
        If n is not a whole number above zero, x is not a finite (1,) array, or noise is not positive.
    """
    x, grid = checks.as_array("x", x, (1,)), posterior_grid(x, noise)
    return like(x, grid.sample(rng, n))                               # (3)


def exact_posterior_log_prob(theta: Array, x: Array, *, noise: float = 5.0) -> Array:
    """log p(θ|x) in nats, (N,); −inf outside the prior.

    Parameters
    ----------
    theta : (N, 1) float
    x : (1,) float
        One observation.
    noise : float
        Standard deviation.

    Raises
    ------
    ValueError
        If theta has another shape, x is not a finite (1,) array, or noise is not positive.
    """
    theta, log_evidence = checks.as_array("theta", theta, ("N", 1)), posterior_grid(x, noise).log_integral
    xp, inside = array_module(theta), prior.contains(theta)
    log_prob = log_likelihood(xp.where(inside[:, None], theta, like(theta, 0.1)), x, noise=noise)
    log_prob -= log_evidence                                          # (3)
    return xp.where(inside, log_prob, like(log_prob, -np.inf))


def posterior_grid(x, noise):
    """The likelihood of one observation over the prior's range, on the host."""
    x = checks.as_array("x", x, (1,))
    checks.check_finite("x", x)
    x = to_host(x).astype(np.float64)
    log_density = lambda theta: log_likelihood(theta, x, noise=noise)
    return fit_grid(log_density, prior.low, prior.high, n_nodes=N_NODES)


def curve(theta):
    """θ^(−1.5), (N, 1)."""
    theta = checks.as_array("theta", theta, ("N", 1))
    if not bool((theta > 0).all()):
        raise ValueError(f"theta: expected positive numbers, got {float(theta.min()):.6g} as the smallest")
    xp = array_module(theta)
    mean = xp.sqrt(theta)
    mean *= theta
    return xp.reciprocal(mean, out=mean)
