"""Two moons: a posterior of two thin crescents, from an absolute value and noise on half a ring.

    (1)  θ ~ U(−1, 1)²
    (2)  a ~ U(−π/2, π/2),  r ~ N(0.1, 0.01²),  p = (r cos a + 0.25, r sin a)
    (3)  x = p + (−|s|, d),  s = (θ₁ + θ₂)/√2,  d = (θ₂ − θ₁)/√2     (s, d) is θ rotated by 45°
    (4)  f(p) = N(ρ; 0.1, 0.01²)/(π ρ),  ρ = ‖p − (0.25, 0)‖         (2) in polar coordinates, p₀ > 0.25
    (5)  p(θ|x) = f(x₀ + |s|, x₁ − d)/Z                              inside the square, 0 elsewhere
    (6)  |s| = p₀ − x₀,  d = x₁ − p₁,  the sign of s by a fair coin  p ~ (2), until p₀ > x₀, θ in the square
    (7)  Z = (1/π) ∑± ∫ da [Φ((r₊(a) − 0.1)/0.01) − Φ((r₋(a) − 0.1)/0.01)]

(5): a rotation keeps areas, so that the density of θ is that of p, twice, mirrored at s = 0.
(6) draws from (5) exactly: p determines (|s|, d), and a p that no θ can produce is rejected.
(7): for a given angle and sign θ is linear in r, so that p₀ > x₀ and the four sides of the square leave an
interval (r₋, r₊); the integral over the angle is a midpoint sum.

Shapes        N samples; θ and x (N, 2); one observation x (2,).
Conventions   densities in nats; a negative r, ten standard deviations away, is left out of (4).
Source        "Benchmarking simulation-based inference", Lueckmann et al., 2021, task T.8, after "Automatic
              posterior transformation for likelihood-free inference", Greenberg, Nonnenmacher and Macke,
              2019.
Departures    the benchmark's recipe for (6) does not reject p₀ < x₀; the coin would then give such a p a
              sign, and so a θ that is no solution.

Example
-------
>>> import numpy as np
>>> from reference.simulators import two_moons
>>> draws = two_moons.exact_posterior_sample(np.random.default_rng(0), 500, np.array([0.0, 0.0]))
>>> print(np.isfinite(two_moons.exact_posterior_log_prob(draws, np.zeros(2))).all())
True
"""
import numpy as np

from reference.priors import BoxUniform
from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = ["prior", "simulate", "log_likelihood", "exact_posterior_sample", "exact_posterior_log_prob"]

RADIUS, WIDTH, OFFSET, N_ANGLES, MIN_EVIDENCE = 0.1, 0.01, 0.25, 2000, 1e-3
prior = BoxUniform([-1.0, -1.0], [1.0, 1.0])                          # (1)


def draw_noise(rng, n):
    """p of (2), (n, 2)."""
    a, r = np.pi * (rng.random(n) - 0.5), RADIUS + WIDTH * rng.standard_normal(n)
    return np.stack((r * np.cos(a) + OFFSET, r * np.sin(a)), axis=1)              # (2)


def simulate(rng: Rng, theta: Array) -> Array:
    """x (N, 2).

    Parameters
    ----------
    rng : Generator
    theta : (N, 2) float
    """
    theta = checks.as_array("theta", theta, ("N", 2))
    s, d = _rotated(theta)
    return draw_noise(rng, len(theta)) + np.stack((-np.abs(s), d), axis=1)        # (3)


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
    s, d = _rotated(theta)
    u, v = x[..., 0] + np.abs(s) - OFFSET, x[..., 1] - d
    rho = np.hypot(u, v)
    log_norm = np.log(np.sqrt(2 * np.pi) * WIDTH * np.pi * np.where(u > 0, rho, 1.0))
    log_f = -0.5 * ((rho - RADIUS) / WIDTH)**2 - log_norm
    return np.where(u > 0, log_f, -np.inf)                                        # (4)


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
    x = check_observation(x)
    found, n_found = [], 0
    while n_found < checks.check_count("n", n):
        p, coin = draw_noise(rng, n), rng.random(n)
        s, d = np.where(coin < 0.5, -1, 1) * (p[:, 0] - x[0]), x[1] - p[:, 1]     # (6)
        theta = np.stack((s - d, s + d), axis=1) / np.sqrt(2)
        found.append(theta[(p[:, 0] > x[0]) & prior.contains(theta)])
        n_found += len(found[-1])
    return np.concatenate(found)[:n]


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
    return np.where(prior.contains(theta), log_likelihood(theta, x) - np.log(evidence(x)), -np.inf)      # (5)


def check_observation(x):
    """x as a finite array (2,) whose evidence is not too small for (6), or ValueError."""
    x = checks.as_array("x", x, (2,))
    checks.check_finite("x", x)
    if not evidence(x) > MIN_EVIDENCE:
        raise ValueError(f"x: expected an observation that the simulator can produce, got {x}, "
                         f"with p(x) below {MIN_EVIDENCE:g} / 4")
    return x


def evidence(x):
    """Z of (7): the integral of p(x|θ) over the square."""
    from scipy.special import ndtr
    a = np.pi * ((np.arange(N_ANGLES) + 0.5) / N_ANGLES - 0.5)
    total = 0.0
    for sign in (-1, 1):
        s, d = (sign * (OFFSET - x[0]), sign * np.cos(a)), (x[1], -np.sin(a))    # (at r = 0, slope in r) each
        low, high = (x[0] - OFFSET) / np.cos(a), np.full(N_ANGLES, np.inf)
        for start, slope in ((s[0] - d[0], s[1] - d[1]), (s[0] + d[0], s[1] + d[1])):        # √2 θ₁ and √2 θ₂
            ends = np.sort([(-np.sqrt(2) - start) / slope, (np.sqrt(2) - start) / slope], axis=0)
            low, high = np.maximum(low, ends[0]), np.minimum(high, ends[1])
        inside = ndtr((high - RADIUS) / WIDTH) - ndtr((low - RADIUS) / WIDTH)
        total += np.sum(np.maximum(inside, 0.0)) / N_ANGLES                       # (7)
    return total


def _rotated(theta):
    """s and d of (3)."""
    return (theta[:, 0] + theta[:, 1]) / np.sqrt(2), (theta[:, 1] - theta[:, 0]) / np.sqrt(2)
