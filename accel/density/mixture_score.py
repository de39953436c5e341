"""Score of a Gaussian mixture, with or without Gaussian noise: the gradient of its log-density.

The mathematics is in `reference.density.mixture_score`. Same values; rows are taken in blocks that stay in
cache, all components of a block at once, and one product serves both the responsibilities and (3). With dₖₙ =
μₖ − xₙ, (K, D, B) for B rows,

    y = P d,  P = (Σ + σ²I)⁻¹        log r = log π + ½ log|P| − ½ ⟨d, y⟩ + …        ∇ log q = ∑ₖ rₖ yₖ

The score carries its form for kernels (`kernels.score.form`): Langevin dynamics along it is one kernel on a
device.

Example
-------
>>> import numpy as np
>>> from accel.density import gmm, mixture_score
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

from accel.density.gaussian_mixture import GaussianMixture
from accel.device import array_module, check_together
from accel.kernels.score.form import Mixture, declares
from accel.runtime import checks
from accel.runtime.protocols import Array

__all__ = ["smoothed", "score"]

CACHE, LAUNCH = 2**15, 2**24                                          # numbers of a work array: CPU, device


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
    return mixture._replace(weights=mixture.weights.copy(), means=mixture.means.copy(),
                            covariances=_smoothed(mixture.covariances, sigma),
                            log_likelihood=mixture.log_likelihood.copy())


def _smoothed(covariances, sigma):
    if sigma:
        checks.check_positive("sigma", sigma)
    dim, covariances = covariances.shape[1], covariances.copy()
    variances = covariances.reshape(len(covariances), -1)[:, ::dim + 1 if covariances.ndim == 3 else 1]
    variances += float(sigma)**2                                      # (1)
    return covariances


@declares(lambda mixture: Mixture(*mixture[:3]))
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
    weights, means, covariances = *mixture[:2], _smoothed(mixture.covariances, sigma)
    x = checks.as_array("x", x, ("N", means.shape[1]))
    check_together(means=means, x=x)
    xp, (n_components, dim), full = array_module(x), means.shape, covariances.ndim == 3
    precisions = xp.linalg.inv(covariances) if full else 1 / covariances
    half_log_det = 0.5 * (xp.linalg.slogdet(precisions)[1] if full else xp.log(precisions).sum(axis=1))
    constant = (xp.log(weights) + half_log_det)[:, None]
    n_rows = max(64, (CACHE if xp is np else LAUNCH) // (n_components * dim))
    out = xp.empty_like(x)
    for start in range(0, len(x), n_rows):
        d = means[:, :, None] - x[start:start + n_rows].T
        y = precisions @ d if full else precisions[:, :, None] * d
        d *= y
        r = d.sum(axis=1)                                             # log r, up to a constant
        r *= -0.5
        r += constant
        r -= r.max(axis=0)
        xp.exp(r, out=r)
        r /= r.sum(axis=0)                                            # (2)
        y *= r[:, None]
        out[start:start + n_rows] = y.sum(axis=0).T                   # (3)
    return out
