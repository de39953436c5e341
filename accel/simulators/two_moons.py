"""Two moons: a posterior of two thin crescents, from an absolute value and noise on half a ring.

The mathematics is in `reference.simulators.two_moons`. Same values; columns are written in place, without
stacking. In (7) the sides of the square and both signs are one array of rows of angles, summed in float64
whatever the dtype of x. From a device only the number of accepted proposals is fetched, which decides whether
another round is needed.

Example
-------
>>> import numpy as np
>>> from accel.simulators import two_moons
>>> draws = two_moons.exact_posterior_sample(np.random.default_rng(0), 500, np.array([0.0, 0.0]))
>>> print(np.isfinite(two_moons.exact_posterior_log_prob(draws, np.zeros(2))).all())
True
"""
import math

import numpy as np

from accel.device import array_module, kernel_code, like, special
from accel.priors import BoxUniform
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

__all__ = ["prior", "simulate", "log_likelihood", "exact_posterior_sample", "exact_posterior_log_prob"]

RADIUS, WIDTH, OFFSET, N_ANGLES, MIN_EVIDENCE = 0.1, 0.01, 0.25, 2000, 1e-3
prior = BoxUniform([-1.0, -1.0], [1.0, 1.0])                          # (1)


def draw_noise(rng, n):
    """p of (2) as two columns, (n,) each."""
    a, r = rng.random(n), rng.standard_normal(n)
    xp = array_module(a)
    a -= 0.5
    a *= math.pi
    r *= WIDTH
    r += RADIUS
    first = xp.cos(a)
    first *= r
    first += OFFSET
    xp.sin(a, out=a)
    a *= r                                                            # (2)
    return first, a


@kernel_code("""
__device__ void simulate(const real* theta, const real* noise, real* x) {
  real a = noise[0] - real(0.5), r = real(0.1) + real(0.01) * noise[1], half = sqrt(real(0.5));
  x[0] = r * cospi(a) + real(0.25) - half * abs(theta[0] + theta[1]);
  x[1] = r * sinpi(a) + half * (theta[1] - theta[0]);
}""", theta_dim=2, x_dim=2, draws=(("random", 1), ("standard_normal", 1)))
def simulate(rng: Rng, theta: Array) -> Array:
    """x (N, 2).

    Parameters
    ----------
    rng : Generator
    theta : (N, 2) float
    """
    theta = checks.as_array("theta", theta, ("N", 2))
    xp = array_module(theta)
    x = xp.empty_like(theta)
    for column, p in enumerate(draw_noise(rng, len(theta))):
        x[:, column] = like(theta, p)
    s, d = _rotated(theta)
    x[:, 0] -= xp.abs(s, out=s)
    x[:, 1] += d                                                      # (3)
    return x


def log_likelihood(theta: Array, x: Array) -> Array:
    """log p(x|θ) in nats, (N,).

    Parameters
    ----------
    theta : (N, 2) float
    x : (2,) or (N, 2) float
        One observation, or one for each θ.
    """
    theta = checks.as_array("theta", theta, ("N", 2))
    x = checks.as_array("x", x, (2,) if np.ndim(x) == 1 else (len(theta), 2))
    xp, (s, d) = array_module(theta), _rotated(theta)
    u = xp.abs(s, out=s)
    u += x[..., 0] - OFFSET
    d -= x[..., 1]
    rho = xp.hypot(u, d)
    log_f = rho - RADIUS
    log_f *= 1 / WIDTH
    log_f *= log_f
    log_f *= -0.5
    log_f -= math.log(math.sqrt(2 * math.pi) * WIDTH * math.pi)
    log_f -= xp.log(xp.where(u > 0, rho, like(rho, 1.0)))             # (4)
    return xp.where(u > 0, log_f, like(rho, -np.inf))


def exact_posterior_sample(rng: Rng, n: int, x: Array) -> Array:
    """n draws of θ | x, (n, 2), from n proposals at a time.

    Parameters
    ----------
    rng : Generator
    n : int
    x : (2,) float
        One observation.

    Raises
    ------
    ValueError
        If n is not a whole number above zero, or x is not a finite (2,) array that the simulator can produce.
    """
    x, n_found = check_observation(x), 0
    xp = array_module(x)
    found = xp.empty((checks.check_count("n", n), 2), dtype=x.dtype)
    while n_found < n:
        (s, d), coin = (like(x, p) for p in draw_noise(rng, n)), like(x, rng.random(n))
        s -= x[0]
        solvable = s > 0
        s *= xp.where(coin < 0.5, like(x, -1.0), like(x, 1.0))
        d -= x[1]                                                     # (6), where this is −d
        theta = xp.empty((n, 2), dtype=x.dtype)
        xp.add(s, d, out=theta[:, 0])
        xp.subtract(s, d, out=theta[:, 1])
        theta *= 1 / math.sqrt(2)
        theta = theta[xp.logical_and(solvable, prior.contains(theta))][:n - n_found]
        found[n_found:n_found + len(theta)] = theta
        n_found += len(theta)
    return found


def exact_posterior_log_prob(theta: Array, x: Array) -> Array:
    """log p(θ|x) in nats, (N,); −inf outside the prior.

    Parameters
    ----------
    theta : (N, 2) float
    x : (2,) float
        One observation.

    Raises
    ------
    ValueError
        If theta has another shape, or x is not a finite (2,) array that the simulator can produce.
    """
    x = check_observation(x)
    log_prob = log_likelihood(theta, x)
    log_prob -= array_module(x).log(evidence(x)).astype(log_prob.dtype)           # (5)
    return array_module(x).where(prior.contains(theta), log_prob, like(log_prob, -np.inf))


def check_observation(x):
    """x as a finite array (2,) whose evidence is not too small for (6), or ValueError."""
    x = checks.as_array("x", x, (2,))
    checks.check_finite("x", x)
    if not bool(evidence(x) > MIN_EVIDENCE):
        raise ValueError(f"x: expected an observation that the simulator can produce, got {x}, "
                         f"with p(x) below {MIN_EVIDENCE:g} / 4")
    return x


def evidence(x):
    """Z of (7), a number where x lives: the integral of p(x|θ) over the square."""
    xp, x = array_module(x), x.astype(np.float64)
    a = np.pi * ((np.arange(N_ANGLES) + 0.5) / N_ANGLES - 0.5)
    sign = np.array([[-1.0], [1.0]])
    slopes = np.stack((sign * np.cos(a) + np.sin(a), sign * np.cos(a) - np.sin(a)))       # of √2 θ in r
    slopes, cos, sign = xp.asarray(slopes), xp.asarray(np.cos(a)), xp.asarray(sign)       # (θ, sign, a)
    starts = xp.stack((sign * (OFFSET - x[0]) - x[1], sign * (OFFSET - x[0]) + x[1]))     # at r = 0
    below, above = (-math.sqrt(2) - starts) / slopes, (math.sqrt(2) - starts) / slopes
    low = xp.maximum(xp.minimum(below, above).max(axis=0), (x[0] - OFFSET) / cos)
    high = xp.maximum(below, above).min(axis=0)
    ndtr = special(x).ndtr
    inside = ndtr((high - RADIUS) / WIDTH) - ndtr((low - RADIUS) / WIDTH)
    return xp.maximum(inside, 0).sum() / N_ANGLES                     # (7)


def _rotated(theta):
    """s and d of (3), (N,) each."""
    s, d = theta[:, 0] + theta[:, 1], theta[:, 1] - theta[:, 0]
    s *= 1 / math.sqrt(2)
    d *= 1 / math.sqrt(2)
    return s, d
