"""Point spread functions on square pixels: a sum of Gaussians, each integrated over pixels in closed form.

    (1)  P(r) = (β−1)/(π α²) (1 + r²/α²)^(−β),  α = fwhm/(2 √(2^(1/β) − 1))       Moffat
         P(r) = N(r; 0, σ² I),  σ = fwhm/(2 √(2 log 2))                           Gaussian, its limit β → ∞
    (2)  P(r) = ∫ N(r; 0, α²/(2eᵘ) I) π(u) du,  π(u) = e^((β−1)u − eᵘ)/Γ(β−1)     eᵘ is Gamma-distributed
    (3)         ≈ ∑ₖ wₖ N(r; 0, σₖ² I),  σₖ² = α²/(2 e^uₖ),  wₖ ∝ π(uₖ)           trapezoid rule, ∑ₖ wₖ = 1
    (4)  g_p(c, σ) = Φ((e_{p+1} − c)/σ) − Φ((e_p − c)/σ),  e_p = p − SIZE/2       the part in pixel p

(4): a Gaussian in two dimensions is the product of one along rows and one along columns. Its integral over a
pixel is therefore exact, wherever its centre c is.

Shapes        K Gaussians; P pixels along a side, SIZE = 32; centres of any shape (…,), fractions (…, P).
Conventions   lengths in pixels, from the middle of the image; P(r) per square pixel, ∫ P(r) 2πr dr = 1.
Accuracy      (3) is within 10⁻⁵ of P(0) for β from 1.1 to 10⁴ (tests/numerics/test_point_spread.py): the uₖ
              are at most STEP apart, and weights below e^−DEPTH of the largest are left out.
Source        "A theoretical investigation of focal stellar images in the photographic emulsion and
              application to photographic photometry", Moffat, 1969; (2) is Student's t as a mixture of
              normals.

Example
-------
>>> import numpy as np
>>> from reference.numerics import point_spread
>>> centre, half = point_spread.psf(np.array([0.0, 1.5]), fwhm=3.0, beta=2.5)
>>> print(np.round(half / centre, 6))
0.5
"""
import math

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array

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
    if check_beta(beta) == math.inf:
        variance = gaussians(fwhm=fwhm)[0][0]**2
        return np.exp(-0.5 * r**2 / variance) / (2 * np.pi * variance)            # (1)
    alpha = moffat_alpha(fwhm, beta)
    return (beta - 1) / (np.pi * alpha**2) * (1 + (r / alpha)**2)**-beta          # (1)


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
    from scipy.special import ndtr
    edges = np.arange(SIZE + 1) - SIZE / 2
    return np.diff(ndtr((edges - centre[..., None]) / np.asarray(sigma)[..., None]), axis=-1)     # (4)


def moffat_alpha(fwhm, beta):
    """α of (1)."""
    return checks.check_positive("fwhm", fwhm) / (2 * math.sqrt(2**(1 / beta) - 1))


def check_beta(beta):
    """Raise ValueError unless beta is a number above 1, or inf; return it."""
    if beta != math.inf and checks.check_positive("beta", beta) <= 1:
        raise ValueError(f"beta: expected a number above 1, or inf for a Gaussian, got {beta!r}")
    return beta
