"""Power law: one parameter, one datum, a steep curve and normal noise; an example for rejection ABC.

    (1)  θ ~ U(0.03, 0.3)
    (2)  x = θ^(−1.5) + N(0, noise²),  noise = 5
    (3)  p(θ|x) ∝ N(x; θ^(−1.5), noise²)                             inside the prior; on a grid

Shapes        N samples; θ and x (N, 1); one observation x (1,).
Conventions   densities in nats; θ and x have no units.

Example
-------
>>> import numpy as np
>>> from reference.simulators import power_law
>>> power_law.simulate(np.random.default_rng(0), np.array([[0.1], [0.2]])).round(1)
array([[32.3],
       [10.5]])
"""
import numpy as np

from reference.numerics.grid import fit_grid
from reference.priors import BoxUniform
from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = ["prior", "simulate", "log_likelihood", "exact_posterior_sample", "exact_posterior_log_prob"]

N_NODES = 2001
prior = BoxUniform([0.03], [0.3])                                     # (1)


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
    theta = _positive(theta)
    return theta**-1.5 + checks.check_positive("noise", noise) * rng.standard_normal(theta.shape)     # (2)


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
    theta, noise = _positive(theta), checks.check_positive("noise", noise)
    x = checks.as_array("x", x, (1,) if np.ndim(x) == 1 else (len(theta), 1))
    return np.sum(-0.5 * ((x - theta**-1.5) / noise)**2 - 0.5 * np.log(2 * np.pi * noise**2), axis=1)    # (2)


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
    return posterior_grid(x, noise).sample(rng, n)                                # (3)


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
    log_evidence, inside = posterior_grid(x, noise).log_integral, prior.contains(theta)
    inner = np.where(inside[:, None], theta, np.mean(prior.low + prior.high) / 2)
    return np.where(inside, log_likelihood(inner, x, noise=noise) - log_evidence, -np.inf)        # (3)


def posterior_grid(x, noise):
    """The likelihood of one observation over the prior's range."""
    x = checks.as_array("x", x, (1,))
    checks.check_finite("x", x)
    log_density = lambda theta: log_likelihood(theta, x, noise=noise)
    return fit_grid(log_density, prior.low, prior.high, n_nodes=N_NODES)


def _positive(theta):
    """θ (N, 1), or ValueError unless all are positive."""
    theta = checks.as_array("theta", theta, ("N", 1))
    if not (theta > 0).all():
        raise ValueError(f"theta: expected positive numbers, got {float(np.min(theta)):.6g} as the smallest")
    return theta
