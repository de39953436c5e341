"""Power law: one parameter, one number, a steep curve and normal noise; the lecture's example for rejection ABC.

    (1)  θ ~ U(0.03, 0.3)
    (2)  x = θ^(−1.5) + N(0, noise²),  noise = 5
    (3)  p(θ|x) ∝ N(x; θ^(−1.5), noise²)                             inside the prior; normalised and sampled on a grid

Shapes        N samples; θ and x (N, 1); one observation x (1,).
Conventions   densities in nats.
Source        lecture S3, slides "An Example".
"""
import numpy as np

from reference.runtime import checks
from reference.priors import BoxUniform
from reference.numerics.grid import fit_grid

__all__ = ["prior", "simulate", "log_likelihood", "exact_posterior_sample", "exact_posterior_log_prob"]

N_NODES = 2001
prior = BoxUniform([0.03], [0.3])                                                                     # (1)


def simulate(rng, theta, *, noise=5.0):
    """x (N, 1) for θ (N, 1)."""
    theta = _positive(theta)
    return theta**-1.5 + checks.check_positive("noise", noise) * rng.standard_normal(theta.shape)     # (2)


def log_likelihood(theta, x, *, noise=5.0):
    """log p(x|θ), (N,), for θ (N, 1) and one observation x (1,) or one for each θ (N, 1)."""
    theta, noise = _positive(theta), checks.check_positive("noise", noise)
    x = checks.as_array("x", x, (1,) if np.ndim(x) == 1 else (len(theta), 1))
    return np.sum(-0.5 * ((x - theta**-1.5) / noise)**2 - 0.5 * np.log(2 * np.pi * noise**2), axis=1)


def exact_posterior_sample(rng, n, x, *, noise=5.0):
    """n draws of θ | x, (n, 1), for one observation x (1,)."""
    return posterior_grid(x, noise).sample(rng, n)                                                    # (3)


def exact_posterior_log_prob(theta, x, *, noise=5.0):
    """log p(θ|x), (N,), for θ (N, 1) and one observation x (1,); −inf outside the prior."""
    log_evidence, inside = posterior_grid(x, noise).log_integral, prior.contains(theta)
    inner = np.where(inside[:, None], theta, np.mean(prior.low + prior.high) / 2)
    return np.where(inside, log_likelihood(inner, x, noise=noise) - log_evidence, -np.inf)            # (3)


def posterior_grid(x, noise):
    """The likelihood of one observation over the prior's range."""
    x = checks.as_array("x", x, (1,))
    checks.check_finite("x", x)
    return fit_grid(lambda theta: log_likelihood(theta, x, noise=noise), prior.low, prior.high, n_nodes=N_NODES)


def _positive(theta):
    theta = checks.as_array("theta", theta, ("N", 1))
    if not (theta > 0).all():
        raise ValueError(f"theta: expected positive numbers, got {float(np.min(theta)):.6g} as the smallest")
    return theta
