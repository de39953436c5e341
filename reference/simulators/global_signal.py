"""The 21-cm global signal: an absorption trough in temperature against redshift, with normal noise.

    (1)  A ~ U(0.01, 0.3) K,  z_c ~ U(10, 20),  σ ~ U(5, 10)         θ = (A, z_c, σ): depth, centre, width
    (2)  T(z) = −A g(z),  g(z) = exp(−½ (z − z_c)²/σ²)
    (3)  xᵢ = T(zᵢ) + N(0, noise²),  z = 5 … 30                       noise = 0.025 K
    (4)  ∂T/∂A = −g,  ∂T/∂z_c = −A g (z − z_c)/σ²,  ∂T/∂σ = −A g (z − z_c)²/σ³

The exact posterior. A enters linearly. Given (z_c, σ) it is therefore normal, truncated to its range, and
integrates in closed form:

    (5)  A | z_c, σ, x ~ N(Â, s²) on [0.01, 0.3],   Â = −∑ᵢ xᵢ gᵢ / ∑ᵢ gᵢ²,   s² = noise²/∑ᵢ gᵢ²
    (6)  ∫ p(x|θ) dA = p(x|Â, z_c, σ) √(2π) s [Φ((0.3 − Â)/s) − Φ((0.01 − Â)/s)]
    (7)  p(z_c, σ|x) ∝ (6)                                            in two dimensions, on a grid

A sample is (z_c, σ) from (7), then A from (5).

Shapes        N samples; θ (N, 3); x (N, 100); one observation x (100,).
Conventions   A, T, x and noise in kelvin; densities in nats.

Example
-------
>>> import numpy as np
>>> from reference.simulators import global_signal
>>> signal = global_signal.signal(np.array([[0.2, 15.0, 7.0]]))[0]
>>> print(signal.min().round(3), global_signal.REDSHIFT[signal.argmin()].round(1))
-0.2 15.1
"""
import numpy as np

from reference.numerics.grid import fit_grid
from reference.priors import BoxUniform
from reference.priors.box_uniform import strictly_inside
from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = ["prior", "signal", "signal_vjp", "simulate", "log_likelihood", "exact_posterior_sample",
           "exact_posterior_log_prob"]

REDSHIFT = np.linspace(5.0, 30.0, 100)
REDSHIFT.setflags(write=False)
N_NODES, FARTHEST = 101, 30.0
prior = BoxUniform([0.01, 10.0, 5.0], [0.3, 20.0, 10.0])              # (1)


def signal(theta: Array) -> Array:
    """T (N, 100) in kelvin, without noise.

    Parameters
    ----------
    theta : (N, 3) float
        A in kelvin, z_c, σ.
    """
    theta = checks.as_array("theta", theta, ("N", 3))
    return -theta[:, :1] * trough(theta[:, 1:])                                   # (2)


def signal_vjp(theta: Array, dm: Array) -> Array:
    """dtheta (N, 3): the gradient with respect to the signal, carried back to θ.

    Parameters
    ----------
    theta : (N, 3) float
    dm : (N, 100) float
        The gradient with respect to the signal.
    """
    theta = checks.as_array("theta", theta, ("N", 3))
    dm, g = checks.as_array("dm", dm, (len(theta), len(REDSHIFT))), trough(theta[:, 1:])
    depth, distance, width = theta[:, :1], REDSHIFT - theta[:, 1:2], theta[:, 2:]
    slopes = -g, -depth * g * distance / width**2, -depth * g * distance**2 / width**3        # (4)
    return np.stack([np.sum(dm * slope, axis=1) for slope in slopes], axis=1)


def simulate(rng: Rng, theta: Array, *, noise: float = 0.025) -> Array:
    """x (N, 100) in kelvin.

    Parameters
    ----------
    rng : Generator
    theta : (N, 3) float
        A in kelvin, z_c, σ.
    noise : float
        Standard deviation, in kelvin.

    Raises
    ------
    ValueError
        If theta has another shape, or noise is not positive.
    """
    mean = signal(theta)
    return mean + checks.check_positive("noise", noise) * rng.standard_normal(mean.shape)     # (3)


def log_likelihood(theta: Array, x: Array, *, noise: float = 0.025) -> Array:
    """log p(x|θ) in nats, (N,).

    Parameters
    ----------
    theta : (N, 3) float
    x : (100,) or (N, 100) float
        One observation, or one for each θ, in kelvin.
    noise : float
        Standard deviation, in kelvin.

    Raises
    ------
    ValueError
        If theta or x has another shape, or noise is not positive.
    """
    mean, noise = signal(theta), checks.check_positive("noise", noise)
    x = checks.as_array("x", x, (len(REDSHIFT),) if np.ndim(x) == 1 else mean.shape)
    return np.sum(-0.5 * ((x - mean) / noise)**2 - 0.5 * np.log(2 * np.pi * noise**2), axis=1)     # (3)


def exact_posterior_sample(rng: Rng, n: int, x: Array, *, noise: float = 0.025) -> Array:
    """n draws of θ | x, (n, 3).

    Parameters
    ----------
    rng : Generator
    n : int
    x : (100,) float
        One observation, in kelvin.
    noise : float
        Standard deviation, in kelvin.

    Raises
    ------
    ValueError
        If n is not a whole number above zero, noise is not positive, x is not a finite (100,) array, or its
        amplitude lies more than FARTHEST standard deviations outside the prior.
    """
    shape = posterior_grid(x, noise).sample(rng, n)                               # (7)
    best, s, low, high = amplitude(shape, x, noise)
    beyond = max(np.max(low), np.max(-high))
    if beyond > FARTHEST:
        raise ValueError("x: expected a signal in kelvin that the prior can explain, got one whose amplitude "
                         f"lies {beyond:.0f} standard deviations outside its range")
    depth = best + s * truncated_normal(rng.random(n), low, high)                 # (5)
    return np.column_stack((strictly_inside(depth, prior.low[0], prior.high[0]), shape))


def exact_posterior_log_prob(theta: Array, x: Array, *, noise: float = 0.025) -> Array:
    """log p(θ|x) in nats, (N,); −inf outside the prior.

    Parameters
    ----------
    theta : (N, 3) float
    x : (100,) float
        One observation, in kelvin.
    noise : float
        Standard deviation, in kelvin.

    Raises
    ------
    ValueError
        If theta has another shape, x is not a finite (100,) array, or noise is not positive.
    """
    log_evidence, inside = posterior_grid(x, noise).log_integral, prior.contains(theta)
    inner = np.where(inside[:, None], theta, (prior.low + prior.high) / 2)
    return np.where(inside, log_likelihood(inner, x, noise=noise) - log_evidence, -np.inf)


def posterior_grid(x, noise):
    """(7) for one observation; its integral is that of p(x|θ) over all of θ."""
    x = checks.as_array("x", x, (len(REDSHIFT),))
    checks.check_finite("x", x)
    checks.check_positive("noise", noise)

    def log_marginal(shape):                                                      # (6)
        best, s, low, high = amplitude(shape, x, noise)
        at_best = log_likelihood(np.column_stack((best, shape)), x, noise=noise)
        return at_best + 0.5 * np.log(2 * np.pi) + np.log(s) + log_normal_mass(low, high)
    return fit_grid(log_marginal, prior.low[1:], prior.high[1:], n_nodes=N_NODES)


def trough(shape):
    """g (N, 100) for (z_c, σ) (N, 2)."""
    return np.exp(-0.5 * ((REDSHIFT - shape[:, :1]) / shape[:, 1:])**2)


def amplitude(shape, x, noise):
    """Â and s of (5), and the prior's range of A, less Â, in units of s, (N,) each."""
    g = trough(shape)
    best, s = -g @ x / np.sum(g**2, axis=1), noise / np.sqrt(np.sum(g**2, axis=1))
    return best, s, (prior.low[0] - best) / s, (prior.high[0] - best) / s


def log_normal_mass(low, high):
    """log [Φ(high) − Φ(low)], in the lower tail, where nothing cancels."""
    from scipy.special import log_ndtr
    low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
    return log_ndtr(high) + np.log1p(-np.exp(log_ndtr(low) - log_ndtr(high)))


def truncated_normal(uniform, low, high):
    """Standard normals between low and high, by inversion in the lower tail."""
    from scipy.special import ndtr, ndtri
    sign = np.where(low > 0, -1.0, 1.0)
    low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
    return sign * np.clip(ndtri(ndtr(low) + uniform * (ndtr(high) - ndtr(low))), low, high)
