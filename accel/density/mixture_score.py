"""Score of a Gaussian mixture: the gradient of its log-density in closed form, also after noise has smoothed
it.

The mathematics is in `reference.density.mixture_score`. Same values; rows are taken in blocks that stay in
cache, all components of a block at once, and one product serves both the responsibilities and the pulls. With
dₖₙ = μₖ − xₙ, (K, D, B) for B rows,

    y = P d,  P = (Σ + σ²I)⁻¹        log r = log π + ½ log|P| − ½ ⟨d, y⟩ + …        ∇ log q = ∑ₖ rₖ yₖ
"""
import numpy as np

from accel.runtime import checks
from accel.device import array_module

__all__ = ["smoothed", "score"]

CACHE, LAUNCH = 2**15, 2**24  # numbers in one work array: on the CPU, on a device


def smoothed(mixture, sigma):
    """The mixture that x + σε has, with ε ~ N(0, I).

    Parameters
    ----------
    mixture : GaussianMixture
    sigma : float
        σ ≥ 0, in the units of x.
    """
    return mixture._replace(weights=mixture.weights.copy(), means=mixture.means.copy(),
                            covariances=_smoothed(mixture.covariances, sigma))


def _smoothed(covariances, sigma):
    if sigma:
        checks.check_positive("sigma", sigma)
    dim, covariances = covariances.shape[1], covariances.copy()
    variances = covariances.reshape(len(covariances), -1)
    variances[:, ::dim + 1 if covariances.ndim == 3 else 1] += float(sigma)**2
    return covariances


def score(mixture, x, sigma=0.0):
    """∇ₓ log q_σ(x), (N, D); with σ = 0 the mixture's own score."""
    weights, means, covariances = *mixture[:2], _smoothed(mixture.covariances, sigma)
    x = checks.as_array("x", x, ("N", means.shape[1]))
    xp, (n_components, dim) = array_module(x), means.shape
    full = covariances.ndim == 3
    precisions = xp.linalg.inv(covariances) if full else 1 / covariances
    half_log_det = 0.5 * xp.linalg.slogdet(precisions)[1] if full else 0.5 * xp.log(precisions).sum(axis=1)
    constant = (xp.log(weights) + half_log_det)[:, None]
    n_rows = max(64, (CACHE if xp is np else LAUNCH) // (n_components * dim))
    out = xp.empty_like(x)
    for start in range(0, len(x), n_rows):
        d = means[:, :, None] - x[start:start + n_rows].T
        y = precisions @ d if full else precisions[:, :, None] * d
        d *= y
        log_r = d.sum(axis=1)
        log_r *= -0.5
        log_r += constant
        log_r -= log_r.max(axis=0)
        r = xp.exp(log_r, out=log_r)
        r /= r.sum(axis=0)
        y *= r[:, None]
        out[start:start + n_rows] = y.sum(axis=0).T
    return out
