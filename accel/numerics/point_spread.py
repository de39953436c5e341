"""Light on square pixels: a point spread function as a sum of Gaussians, each integrated over pixels in closed form.

The mathematics is in `reference.numerics.point_spread`. Same values; Φ is taken once at each edge and differenced in place, into the
array that is returned, where the centres live; the few widths and weights of (3) are constants, and stay on the host in float64.
"""
import math

import numpy as np

from accel.runtime import checks
from accel.priors.constants import like, special
from accel.device import array_module

__all__ = ["SIZE", "psf", "gaussians", "fractions"]

SIZE, STEP, DEPTH = 32, 0.6, 13.0


def psf(r, *, fwhm, beta=math.inf):
    """P(r) for distances r of any shape."""
    r = checks.as_array("r", r)
    xp, square = array_module(r), r * r
    if check_beta(beta) == math.inf:
        variance = float(gaussians(fwhm=fwhm)[0][0])**2
        square *= -0.5 / variance
        xp.exp(square, out=square)
        square *= 1 / (2 * math.pi * variance)
        return square
    alpha = moffat_alpha(fwhm, beta)
    square *= 1 / alpha**2
    xp.log1p(square, out=square)
    square *= -beta
    xp.exp(square, out=square)
    square *= (beta - 1) / (math.pi * alpha**2)
    return square


def gaussians(*, fwhm, beta=math.inf):
    """The widths σ and weights w of (3), (K,) each, on the host."""
    if check_beta(beta) == math.inf:
        return np.array([checks.check_positive("fwhm", fwhm) / (2 * math.sqrt(2 * math.log(2)))]), np.ones(1)
    u = np.arange(-DEPTH / min(beta - 1, 1.0), math.log(beta + DEPTH) + 2, min(STEP, STEP / math.sqrt(beta - 1)))
    log_weight = (beta - 1) * u - np.exp(u)
    kept = log_weight > log_weight.max() - DEPTH
    weight = np.exp(log_weight[kept] - log_weight.max())
    return moffat_alpha(fwhm, beta) / np.sqrt(2 * np.exp(u[kept])), weight / np.sum(weight)


def fractions(centre, sigma):
    """g of (4): of Gaussians at `centre` (…,), with widths `sigma` that broadcast with it, the parts in each pixel, (…, SIZE)."""
    edges = like(centre, np.arange(SIZE + 1) - SIZE / 2)
    cumulative = (edges - centre[..., None]) / like(centre, sigma)[..., None]
    special(centre).ndtr(cumulative, out=cumulative)
    return cumulative[..., 1:] - cumulative[..., :-1]


def moffat_alpha(fwhm, beta):
    return checks.check_positive("fwhm", fwhm) / (2 * math.sqrt(2**(1 / beta) - 1))


def check_beta(beta):
    """Raise ValueError unless beta is a number above 1, or inf; return it."""
    if beta != math.inf and checks.check_positive("beta", beta) <= 1:
        raise ValueError(f"beta: expected a number above 1, or inf for a Gaussian, got {beta!r}")
    return beta
