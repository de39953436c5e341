"""The 21-cm global signal: an absorption trough in the sky's temperature against redshift, in 100 bins with normal noise.

    (1)  A ~ U(0.01, 0.3) K,  z_c ~ U(10, 20),  σ ~ U(5, 10)         θ = (A, z_c, σ): depth, centre, width
    (2)  T(z) = −A g(z),  g(z) = exp(−½ (z − z_c)²/σ²)
    (3)  xᵢ = T(zᵢ) + N(0, noise²),  z = 5 … 30                       noise = 0.025 K
    (7)  ∂T/∂A = −g,  ∂T/∂z_c = −A g (z − z_c)/σ²,  ∂T/∂σ = −A g (z − z_c)²/σ³

The exact posterior. A enters linearly, so that given (z_c, σ) it is normal, cut to its range, and integrates in closed form:

    (4)  A | z_c, σ, x ~ N(Â, s²) on [0.01, 0.3],   Â = −∑ᵢ xᵢ gᵢ / ∑ᵢ gᵢ²,   s² = noise²/∑ᵢ gᵢ²
    (5)  ∫ p(x|θ) dA = p(x|Â, z_c, σ) √(2π) s [Φ((0.3 − Â)/s) − Φ((0.01 − Â)/s)]
    (6)  p(z_c, σ|x) ∝ (5)                                            in two dimensions, on a grid

A sample is (z_c, σ) from (6), then A from (4).

Shapes        N samples; θ (N, 3); x (N, 100); one observation x (100,).
Conventions   kelvin; densities in nats.
Source        lecture S3, slides on the 21-cm global signal.
Departures    the lecture adds no noise, which makes the posterior a point: noise is a parameter here.
"""
import numpy as np

from reference.runtime import checks
from reference.priors import BoxUniform
from reference.priors.box_uniform import strictly_inside
from reference.numerics.grid import fit_grid

__all__ = ["prior", "signal", "signal_vjp", "simulate", "log_likelihood", "exact_posterior_sample", "exact_posterior_log_prob"]

REDSHIFT = np.linspace(5.0, 30.0, 100)
REDSHIFT.setflags(write=False)
N_NODES, FARTHEST = 101, 30.0
prior = BoxUniform([0.01, 10.0, 5.0], [0.3, 20.0, 10.0])                                              # (1)


def signal(theta):
    """T (N, 100) in kelvin for θ (N, 3), without noise."""
    theta = checks.as_array("theta", theta, ("N", 3))
    return -theta[:, :1] * trough(theta[:, 1:])                                                       # (2)


def signal_vjp(theta, dm):
    """dtheta (N, 3): the gradient dm (N, 100) with respect to the signal, carried back to θ (N, 3)."""
    theta = checks.as_array("theta", theta, ("N", 3))
    dm, g = checks.as_array("dm", dm, (len(theta), len(REDSHIFT))), trough(theta[:, 1:])
    depth, distance, width = theta[:, :1], REDSHIFT - theta[:, 1:2], theta[:, 2:]
    slopes = -g, -depth * g * distance / width**2, -depth * g * distance**2 / width**3                # (7)
    return np.stack([np.sum(dm * slope, axis=1) for slope in slopes], axis=1)


def simulate(rng, theta, *, noise=0.025):
    """x (N, 100) for θ (N, 3)."""
    mean = signal(theta)
    return mean + checks.check_positive("noise", noise) * rng.standard_normal(mean.shape)             # (3)


def log_likelihood(theta, x, *, noise=0.025):
    """log p(x|θ), (N,), for θ (N, 3) and one observation x (100,) or one for each θ (N, 100)."""
    mean, noise = signal(theta), checks.check_positive("noise", noise)
    x = checks.as_array("x", x, (len(REDSHIFT),) if np.ndim(x) == 1 else mean.shape)
    return np.sum(-0.5 * ((x - mean) / noise)**2 - 0.5 * np.log(2 * np.pi * noise**2), axis=1)


def exact_posterior_sample(rng, n, x, *, noise=0.025):
    """n draws of θ | x, (n, 3), for one observation x (100,).

    Raises
    ------
    ValueError
        If x is no finite (100,) array, or its amplitude lies more than FARTHEST standard deviations outside the prior.
    """
    shape = posterior_grid(x, noise).sample(rng, n)                                                   # (6)
    best, s, low, high = amplitude(shape, x, noise)
    beyond = max(np.max(low), np.max(-high))
    if beyond > FARTHEST:
        raise ValueError(f"x: expected a signal in kelvin that the prior can explain, got one whose amplitude lies {beyond:.0f} "
                         "standard deviations outside its range")
    depth = best + s * truncated_normal(rng.random(n), low, high)                                     # (4)
    return np.column_stack((strictly_inside(depth, prior.low[0], prior.high[0]), shape))


def exact_posterior_log_prob(theta, x, *, noise=0.025):
    """log p(θ|x), (N,), for θ (N, 3) and one observation x (100,); −inf outside the prior."""
    log_evidence, inside = posterior_grid(x, noise).log_integral, prior.contains(theta)
    inner = np.where(inside[:, None], theta, (prior.low + prior.high) / 2)
    return np.where(inside, log_likelihood(inner, x, noise=noise) - log_evidence, -np.inf)


def posterior_grid(x, noise):
    """(6) for one observation; its integral is that of p(x|θ) over all of θ."""
    x = checks.as_array("x", x, (len(REDSHIFT),))
    checks.check_finite("x", x)
    checks.check_positive("noise", noise)

    def log_marginal(shape):                                                                          # (5)
        best, s, low, high = amplitude(shape, x, noise)
        at_best = log_likelihood(np.column_stack((best, shape)), x, noise=noise)
        return at_best + 0.5 * np.log(2 * np.pi) + np.log(s) + log_normal_mass(low, high)
    return fit_grid(log_marginal, prior.low[1:], prior.high[1:], n_nodes=N_NODES)


def trough(shape):
    """g (N, 100) for (z_c, σ) (N, 2)."""
    return np.exp(-0.5 * ((REDSHIFT - shape[:, :1]) / shape[:, 1:])**2)


def amplitude(shape, x, noise):
    """Â and s of (4), and the prior's range of A in their units, (N,) each."""
    g = trough(shape)
    best, s = -g @ x / np.sum(g**2, axis=1), noise / np.sqrt(np.sum(g**2, axis=1))
    return best, s, (prior.low[0] - best) / s, (prior.high[0] - best) / s


def log_normal_mass(low, high):
    """log [Φ(high) − Φ(low)], computed in the lower tail, where nothing cancels."""
    from scipy.special import log_ndtr
    low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
    return log_ndtr(high) + np.log1p(-np.exp(log_ndtr(low) - log_ndtr(high)))


def truncated_normal(uniform, low, high):
    """Standard normals between low and high, by inversion in the lower tail."""
    from scipy.special import ndtr, ndtri
    sign = np.where(low > 0, -1.0, 1.0)
    low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
    return sign * np.clip(ndtri(ndtr(low) + uniform * (ndtr(high) - ndtr(low))), low, high)
