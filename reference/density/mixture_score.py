"""Score of a Gaussian mixture, with or without Gaussian noise: the gradient of its log-density.

    (1)  q_σ(x) = ∑ₖ πₖ N(x; μₖ, Σₖ + σ²I)                    the density of x + σε, ε ~ N(0, I)
    (2)  rₖ(x) = πₖ N(x; μₖ, Σₖ + σ²I)/q_σ(x)
    (3)  ∇ log q_σ(x) = ∑ₖ rₖ(x) (Σₖ + σ²I)⁻¹ (μₖ − x)

(3) is what a score network learns from samples of the mixture, so it is the truth that such a network is
tested against.

Shapes        N samples, D features, K components; x (N, D); r (N, K).
Conventions   nats per unit of x. A mixture is a `density.gmm.GaussianMixture`, fitted or written down.
Source        "A connection between score matching and denoising autoencoders", Vincent, 2011, section 4 (why
              q_σ and not p); (3) is the gradient of the log of (1); lecture S1, slides "denoising score
              matching".

Example
-------
>>> import numpy as np
>>> from reference.density import gmm, mixture_score
>>> mixture = gmm.GaussianMixture(weights=np.array([0.8, 0.2]), means=np.array([[-2.0], [2.0]]),
...                               covariances=np.array([[1.0], [1.0]]), covariance=gmm.DIAGONAL,
...                               log_likelihood=np.zeros(1), converged=True)
>>> x = np.array([[-2.0], [0.0]])
>>> for sigma in (0.0, 3.0):
...     print(mixture_score.score(mixture, x, sigma).round(2).ravel())
[ 0.  -1.2]
[ 0.04 -0.12]
"""
import numpy as np

from reference.density.gaussian_mixture import GaussianMixture
from reference.runtime import checks
from reference.runtime.protocols import Array

__all__ = ["smoothed", "score"]


def smoothed(mixture: GaussianMixture, sigma: float) -> GaussianMixture:
    """The mixture that x + σε is drawn from, where x is drawn from this one.

    Parameters
    ----------
    mixture : GaussianMixture
    sigma : float
        σ ≥ 0, in the units of x.

    Raises
    ------
    ValueError
        If sigma is not a finite number, zero or above.
    """
    if sigma:
        checks.check_positive("sigma", sigma)
    covariances = mixture.covariances
    identity = np.eye(covariances.shape[1], dtype=covariances.dtype) if covariances.ndim == 3 else 1
    return mixture._replace(weights=mixture.weights.copy(), means=mixture.means.copy(),
                            covariances=covariances + float(sigma)**2 * identity,                     # (1)
                            log_likelihood=mixture.log_likelihood.copy())


def score(mixture: GaussianMixture, x: Array, sigma: float = 0.0) -> Array:
    """∇ₓ log q_σ(x), (N, D); with σ = 0 the score of the mixture itself.

    Parameters
    ----------
    mixture : GaussianMixture
    x : (N, D) float
    sigma : float
        σ ≥ 0, in the units of x.

    Raises
    ------
    ValueError
        If x has another shape, or sigma is not a finite number, zero or above.
    """
    mixture = smoothed(mixture, sigma)
    r, total = mixture.responsibilities(x), 0.0                       # (2)
    for r_k, mean, covariance in zip(r.T, mixture.means, mixture.covariances):
        diagonal = covariance.ndim == 1
        pull = (mean - x) / covariance if diagonal else np.linalg.solve(covariance, (mean - x).T).T
        total = total + r_k[:, None] * pull                           # (3)
    return total
