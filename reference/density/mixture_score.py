"""Score of a Gaussian mixture: the gradient of its log-density in closed form, also after noise has smoothed
it.

    (1)  q_σ(x) = ∑ₖ πₖ N(x; μₖ, Σₖ + σ²I)              x + σε has the same weights and means, and wider bells
    (2)  rₖ(x) = πₖ N(x; μₖ, Σₖ + σ²I)/q_σ(x)
    (3)  ∇ log q_σ(x) = ∑ₖ rₖ(x) (Σₖ + σ²I)⁻¹ (μₖ − x)   each bell pulls towards its mean, in proportion to its share

It is what a score network learns from samples of the mixture, so that the network can be held to it.

Shapes        N samples, D features, K components; x (N, D); r (N, K).
Conventions   nats per unit of x. A mixture is a `density.gmm.GaussianMixture`, fitted or written down.
Source   "A connection between score matching and denoising autoencoders", Vincent, 2011, section 4 (why q_σ
         and not p); (3) is
              the gradient of the log of (1); lecture S1, slides "denoising score matching".
"""
import numpy as np

from reference.runtime import checks

__all__ = ["smoothed", "score"]


def smoothed(mixture, sigma):
    """The mixture that x + σε has, with ε ~ N(0, I).

    Parameters
    ----------
    mixture : GaussianMixture
    sigma : float
        σ ≥ 0, in the units of x.
    """
    if sigma:
        checks.check_positive("sigma", sigma)
    covariances = mixture.covariances
    identity = np.eye(covariances.shape[1], dtype=covariances.dtype) if covariances.ndim == 3 else 1
    return mixture._replace(weights=mixture.weights.copy(), means=mixture.means.copy(),
                            covariances=covariances + float(sigma)**2 * identity)     # (1)


def score(mixture, x, sigma=0.0):
    """∇ₓ log q_σ(x), (N, D); with σ = 0 the mixture's own score."""
    mixture = smoothed(mixture, sigma)
    r, total = mixture.responsibilities(x), 0.0                                       # (2)
    for share, mean, covariance in zip(r.T, mixture.means, mixture.covariances):
        pull = (mean
                - x) / covariance if covariance.ndim == 1 else np.linalg.solve(covariance, (mean - x).T).T
        total = total + share[:, None] * pull                                         # (3)
    return total
