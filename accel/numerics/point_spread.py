"""Point spread functions on square pixels: a sum of Gaussians, each integrated over pixels in closed form.

The mathematics is in `reference.numerics.point_spread`. Same values; Φ is computed once at each edge, where
the centres live. The few widths and weights of (3) are constants, and stay on the host in float64. A power is
the exponential of a logarithm, in place: (1 + r²/α²)^(−β) = exp(−β log1p(r²/α²)).

Example
-------
>>> import numpy as np
>>> from accel.numerics import point_spread
>>> centre, half = point_spread.psf(np.array([0.0, 1.5]), fwhm=3.0, beta=2.5)
>>> print(np.round(half / centre, 6))
0.5
"""
import math

import numpy as np

from accel.device import array_module, like, special
from accel.runtime import checks
from accel.runtime.protocols import Array

__all__ = ["SIZE", "psf", "gaussians", "fractions"]

SIZE, STEP, DEPTH = 32, 0.6, 13.0


def psf(r: Array, *, fwhm: float, beta: float = math.inf) -> Array:
    """P(r) per square pixel, in the shape of r.

    Parameters
    ----------
    r : (…) float
        Distances, in pixels.
    fwhm : float
        Full width at half maximum, in pixels.
    beta : float
        Above 1; inf is a Gaussian.

    Raises
    ------
    ValueError
        If fwhm or beta is not such a number.
    """
    r = checks.as_array("r", r)
    xp, square = array_module(r), r * r
    if check_beta(beta) == math.inf:
        variance = float(gaussians(fwhm=fwhm)[0][0])**2
        square *= -0.5 / variance
        xp.exp(square, out=square)
        square *= 1 / (2 * math.pi * variance)                                    # (1)
        return square
    alpha = moffat_alpha(fwhm, beta)
    square *= 1 / alpha**2
    xp.log1p(square, out=square)
    square *= -beta
    xp.exp(square, out=square)
    square *= (beta - 1) / (math.pi * alpha**2)                                   # (1)
    return square


def gaussians(*, fwhm: float, beta: float = math.inf) -> tuple[Array, Array]:
    """The widths σ, in pixels, and the weights w of (3), (K,) each; in accel on the host, in float64.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum, in pixels.
    beta : float
        Above 1; inf is a Gaussian.

    Raises
    ------
    ValueError
        If fwhm or beta is not such a number.
    """
    if check_beta(beta) == math.inf:
        sigma = checks.check_positive("fwhm", fwhm) / (2 * math.sqrt(2 * math.log(2)))        # (1)
        return np.array([sigma]), np.ones(1)
    step = min(STEP, STEP / math.sqrt(beta - 1))
    u = np.arange(-DEPTH / min(beta - 1, 1.0), math.log(beta + DEPTH) + 2, step)
    log_weight = (beta - 1) * u - np.exp(u)                                       # (2)
    kept = log_weight > log_weight.max() - DEPTH
    weight = np.exp(log_weight[kept] - log_weight.max())
    return moffat_alpha(fwhm, beta) / np.sqrt(2 * np.exp(u[kept])), weight / np.sum(weight)       # (3)


def fractions(centre: Array, sigma: Array) -> Array:
    """g of (4): the part of each Gaussian that lies in each pixel along one side, (…, SIZE).

    Parameters
    ----------
    centre : (…) float
        In pixels from the middle of the image.
    sigma : float or array
        Widths, in pixels; they broadcast with the centres.
    """
    edges = like(centre, np.arange(SIZE + 1) - SIZE / 2)
    cumulative = (edges - centre[..., None]) / like(centre, sigma)[..., None]
    special(centre).ndtr(cumulative, out=cumulative)
    return cumulative[..., 1:] - cumulative[..., :-1]                             # (4)


def moffat_alpha(fwhm, beta):
    """α of (1)."""
    return checks.check_positive("fwhm", fwhm) / (2 * math.sqrt(2**(1 / beta) - 1))


def check_beta(beta):
    """Raise ValueError unless beta is a number above 1, or inf; return it."""
    if beta != math.inf and checks.check_positive("beta", beta) <= 1:
        raise ValueError(f"beta: expected a number above 1, or inf for a Gaussian, got {beta!r}")
    return beta
