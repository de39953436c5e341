"""Pixels on the real line: uniform noise makes grey levels continuous, and a logit makes them unbounded.

A density of real numbers that is fitted to whole ones can grow without bound there, and loses mass beyond the
darkest and the brightest level. So

    (1)  u = (x + ε)/Q,   ε ~ U[0, 1)ᴰ                      levels 0 … Q−1 to the unit cube, dequantised
    (2)  x = ⌊Q u⌋, kept within 0 … Q−1                     and back
    (3)  y = log v − log(1 − v),   v = α + (1 − 2α) u       the unit cube to the real line
    (4)  log|det ∂y/∂u| = ∑ⱼ log(1 − 2α) − log vⱼ − log(1 − vⱼ)
    (5)  u = (σ(y) − α)/(1 − 2α),   σ(y) = 1/(1 + e⁻ʸ)      and back
    (6)  log P(x) ≥ E_ε[log p(u)] − D log Q,   log p(u) = log p(y) + (4)
    (7)  bits per dimension = −log P(x)/(D log 2)

(6) is Jensen's inequality: P(x) is the integral of p(u) over the cell of x, whose volume is Q⁻ᴰ.

Shapes        N images of D pixels; x, ε, u, y (N, D); log-determinants and log-densities (N,).
Conventions   nats, except (7). p(u) is a density over the unit cube: uniform noise has log p(u) = 0, and log₂
              Q bits per dimension.
Source        "Density estimation using Real NVP", Dinh, Sohl-Dickstein and Bengio, 2017, section 4.1 (3) and
              figure 3 (checkerboard); "A note on the evaluation of generative models", Theis, van den Oord
              and Bethge, 2016, section 3.1 (6).
Departures    the paper has 1 − α in place of 1 − 2α, which keeps only the darkest end finite; (3) is the form
              of "Masked Autoregressive Flow for Density Estimation", Papamakarios, Pavlakou and Murray, 2017,
              appendix D.

Example
-------
>>> import numpy as np
>>> from reference.preprocessing import pixels
>>> u = pixels.dequantise(np.array([[0.0, 3.0]]), np.array([[0.5, 0.5]]), levels=4)
>>> y, log_det = pixels.to_real(u, alpha=0.05)
>>> print(u, y.round(3), pixels.quantise(u, levels=4))
[[0.125 0.875]] [[-1.64  1.64]] [[0. 3.]]
"""
import math

import autograd.numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array

__all__ = ["dequantise", "quantise", "to_real", "from_real", "bits_per_dim", "checkerboard"]


def dequantise(x: Array, noise: Array, *, levels: int) -> Array:
    """u of (1), (N, D).

    Parameters
    ----------
    x : (N, D) float
        Levels 0 … Q−1.
    noise : (N, D) float
        From U[0, 1).
    levels : int
        Q, at least 2.

    Raises
    ------
    ValueError
        If the shapes differ or levels is not such a number.
    """
    checks.check_count("levels", levels, least=2)
    x = checks.as_array("x", x, ("N", "D"))
    return (x + checks.as_array("noise", noise, x.shape)) / levels                # (1)


def quantise(u: Array, *, levels: int) -> Array:
    """The level 0 … Q−1 of each pixel, (N, D): whole numbers in the dtype of u.

    Parameters
    ----------
    u : (N, D) float
        A number outside [0, 1] gets the nearest level.
    levels : int
        Q, at least 2.

    Raises
    ------
    ValueError
        If u has another shape or levels is not such a number.
    """
    checks.check_count("levels", levels, least=2)
    return np.clip(np.floor(levels * checks.as_array("u", u, ("N", "D"))), 0, levels - 1)         # (2)


def to_real(u: Array, *, alpha: float) -> tuple[Array, Array]:
    """y (N, D), and log|det ∂y/∂u| (N,) in nats.

    Parameters
    ----------
    u : (N, D) float
        In [0, 1].
    alpha : float
        α in (0, ½).

    Raises
    ------
    ValueError
        If u has another shape or alpha is not such a number.
    """
    u, alpha = checks.as_array("u", u, ("N", "D")), check_alpha(alpha)
    v = alpha + (1 - 2 * alpha) * u
    y = np.log(v) - np.log1p(-v)                                                  # (3)
    return y, np.sum(np.log(1 - 2 * alpha) - np.log(v) - np.log1p(-v), axis=1)    # (4)


def from_real(y: Array, *, alpha: float) -> tuple[Array, Array]:
    """u (N, D), a little outside the unit cube where |y| is large, and log|det ∂u/∂y| (N,) in nats.

    Parameters
    ----------
    y : (N, D) float
    alpha : float
        α in (0, ½).

    Raises
    ------
    ValueError
        If y has another shape or alpha is not such a number.
    """
    y, alpha = checks.as_array("y", y, ("N", "D")), check_alpha(alpha)
    v = 0.5 * (1 + np.tanh(y / 2))                                                # σ(y) without overflow
    log_det = -np.logaddexp(0, -y) - np.logaddexp(0, y) - np.log(1 - 2 * alpha)
    return (v - alpha) / (1 - 2 * alpha), np.sum(log_det, axis=1)                 # (5)


def bits_per_dim(log_prob: Array, *, dim: int) -> Array:
    """(7), in the shape of log_prob.

    Parameters
    ----------
    log_prob : float or array
        log P(x) or its bound (6), in nats.
    dim : int
        D, the number of pixels.

    Raises
    ------
    ValueError
        If dim is not a whole number above zero.
    """
    return -log_prob / (checks.check_count("dim", dim) * math.log(2))               # (7)


def checkerboard(height: int, width: int) -> Array:
    """An order of the pixels, (height·width,): the white squares of a chessboard before the black ones.

    Pixels are numbered row after row; pixel (0, 0) is black. All neighbours of a pixel in the first half of
    the order are in the second half. In accel the order is on the host.

    Parameters
    ----------
    height, width : int

    Raises
    ------
    ValueError
        If one of them is not a whole number above zero.
    """
    for name, value in (("height", height), ("width", width)):
        checks.check_count(name, value)
    row, column = np.divmod(np.arange(height * width), width)
    return np.argsort((row + column) % 2 == 0, kind="stable")


def check_alpha(alpha):
    """α as a float, or ValueError."""
    if checks.check_positive("alpha", alpha) >= 0.5:
        raise ValueError(f"alpha: expected a number between 0 and ½, got {alpha!r}")
    return float(alpha)
