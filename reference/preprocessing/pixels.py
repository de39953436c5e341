"""Pixels on the real line: noise fills the gaps between grey levels, and a logit takes them off their bounds.

A density of real numbers can put unbounded mass on whole ones, and leaks beyond the darkest and the brightest. So

    (1)  u = (x + ε)/Q,   ε ~ U[0, 1)ᴰ                      levels 0 … Q−1 to the unit cube, dequantised
    (2)  x = ⌊Q u⌋, kept within 0 … Q−1                     and back
    (3)  y = log v − log(1 − v),   v = α + (1 − 2α) u       the unit cube to the real line
    (4)  log|det ∂y/∂u| = ∑ⱼ log(1 − 2α) − log vⱼ − log(1 − vⱼ)
    (5)  u = (σ(y) − α)/(1 − 2α),   σ(y) = 1/(1 + e⁻ʸ)      and back
    (6)  log P(x) ≥ E_ε[log p(u)] − D log Q,   log p(u) = log p(y) + (4)
    (7)  bits per dimension = −log P(x)/(D log 2)

(6) is Jensen's inequality: P(x) is the integral of p(u) over the cell of x, whose volume is Q⁻ᴰ.

Shapes        N images of D pixels; x, ε, u, y (N, D); log-determinants and log-densities (N,).
Conventions   nats, but for (7). p(u) is a density over the unit cube: uniform noise has log p(u) = 0, and log₂ Q bits per dimension.
Source        "Density estimation using Real NVP", Dinh, Sohl-Dickstein and Bengio, 2017, section 4.1 (3) and figure 3 (checkerboard);
              "A note on the evaluation of generative models", Theis, van den Oord and Bethge, 2016, section 3.1 (6).
Departures    the paper has 1 − α in the place of 1 − 2α, so that only the darkest end is kept from infinity; (3) is the form of "Masked
              Autoregressive Flow for Density Estimation", Papamakarios, Pavlakou and Murray, 2017, appendix D.
"""
import math

import autograd.numpy as np

from reference.runtime import checks

__all__ = ["dequantise", "quantise", "to_real", "from_real", "bits_per_dim", "checkerboard"]


def dequantise(x, noise, *, levels):
    """u of (1), (N, D), for levels x (N, D) and noise (N, D) from U[0, 1); `levels` is Q."""
    checks.check_count("levels", levels, least=2)
    x = checks.as_array("x", x, ("N", "D"))
    return (x + checks.as_array("noise", noise, x.shape)) / levels                # (1)


def quantise(u, *, levels):
    """The level 0 … Q−1 of each pixel, whole numbers in the dtype of u (N, D); what lies outside the unit cube goes to its edge."""
    checks.check_count("levels", levels, least=2)
    return np.clip(np.floor(levels * checks.as_array("u", u, ("N", "D"))), 0, levels - 1)         # (2)


def to_real(u, *, alpha):
    """y (N, D) and log|det ∂y/∂u| (N,), for u (N, D) within the unit cube and α in (0, ½)."""
    u, alpha = checks.as_array("u", u, ("N", "D")), check_alpha(alpha)
    v = alpha + (1 - 2 * alpha) * u
    y = np.log(v) - np.log1p(-v)                                                  # (3)
    return y, np.sum(np.log(1 - 2 * alpha) - np.log(v) - np.log1p(-v), axis=1)    # (4)


def from_real(y, *, alpha):
    """u (N, D), a little outside the unit cube where |y| is large, and log|det ∂u/∂y| (N,)."""
    y, alpha = checks.as_array("y", y, ("N", "D")), check_alpha(alpha)
    v = 0.5 * (1 + np.tanh(y / 2))                                                # σ(y), for y of any size
    log_det = -np.logaddexp(0, -y) - np.logaddexp(0, y) - np.log(1 - 2 * alpha)
    return (v - alpha) / (1 - 2 * alpha), np.sum(log_det, axis=1)                 # (5)


def bits_per_dim(log_prob, *, dim):
    """(7) for log P(x) or its bound (6), in nats, of images of `dim` pixels."""
    return -log_prob / (checks.check_count("dim", dim) * math.log(2))               # (7)


def checkerboard(height, width):
    """An order of the pixels, row after row, that puts the white squares of a chessboard before the black ones, (height·width,).

    The first half of the reordered pixels then has all its neighbours in the second. Pixel (0, 0) is black.
    """
    for name, value in (("height", height), ("width", width)):
        checks.check_count(name, value)
    row, column = np.divmod(np.arange(height * width), width)
    return np.argsort((row + column) % 2 == 0, kind="stable")


def check_alpha(alpha):
    """α as a float, or a ValueError."""
    if checks.check_positive("alpha", alpha) >= 0.5:
        raise ValueError(f"alpha: expected a number between 0 and ½, got {alpha!r}")
    return float(alpha)
