"""Pixels on the real line: uniform noise makes grey levels continuous, and a logit makes them unbounded.

The mathematics is in `reference.preprocessing.pixels`. Same values; each logarithm is computed once, for the
map and its log-determinant alike:

    (3), (4)   a = log v,  b = log(1 − v):    y = a − b,   log_det = D log(1 − 2α) − ∑ⱼ (aⱼ + bⱼ)
    (5)        e = exp(−|y|):    σ(y) = (1 if y ≥ 0, else e)/(1 + e)
               log σ(y) + log(1 − σ(y)) = −|y| − 2 log(1 + e)

The arrays that hold a, b and e become the results.

Example
-------
>>> import numpy as np
>>> from accel.preprocessing import pixels
>>> u = pixels.dequantise(np.array([[0.0, 3.0]]), np.array([[0.5, 0.5]]), levels=4)
>>> y, log_det = pixels.to_real(u, alpha=0.05)
>>> print(u, y.round(3), pixels.quantise(u, levels=4))
[[0.125 0.875]] [[-1.64  1.64]] [[0. 3.]]
"""
import math

import numpy as np

from accel.device import array_module
from accel.runtime import checks
from accel.runtime.protocols import Array

__all__ = ["dequantise", "quantise", "to_real", "from_real", "bits_per_dim", "checkerboard"]


def dequantise(x: Array, noise: Array, *, levels: int) -> Array:
    """u of (1), (N, D), where x lives and in its dtype.

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
    u = x + array_module(x).asarray(checks.as_array("noise", noise, x.shape), dtype=x.dtype)
    u /= levels                                                       # (1)
    return u


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
    u = checks.as_array("u", u, ("N", "D"))
    xp, x = array_module(u), levels * u
    xp.floor(x, out=x)
    return xp.clip(x, 0, levels - 1, out=x)                           # (2)


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
    xp, v = array_module(u), (1 - 2 * alpha) * u
    v += alpha
    a = xp.log(v)
    xp.negative(v, out=v)
    b = xp.log1p(v, out=v)
    y = a - b                                                         # (3)
    a += b
    log_det = a.sum(axis=1)                                           # (4)
    return y, xp.subtract(u.shape[1] * math.log(1 - 2 * alpha), log_det, out=log_det)


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
    xp, away = array_module(y), abs(y)
    e = xp.exp(-away)
    u = xp.where(y >= 0, 1, e)
    u /= 1 + e
    u -= alpha
    u /= 1 - 2 * alpha                                                # (5)
    xp.log1p(e, out=e)
    e *= 2
    e += away
    log_det = e.sum(axis=1)
    log_det += y.shape[1] * math.log(1 - 2 * alpha)
    return u, xp.negative(log_det, out=log_det)


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
    return log_prob / (-checks.check_count("dim", dim) * math.log(2))             # (7)


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
    black = np.add.outer(np.arange(height), np.arange(width)).ravel() % 2 == 0
    return np.concatenate((np.flatnonzero(~black), np.flatnonzero(black)))


def check_alpha(alpha):
    """α as a float, or ValueError."""
    if checks.check_positive("alpha", alpha) >= 0.5:
        raise ValueError(f"alpha: expected a number between 0 and ½, got {alpha!r}")
    return float(alpha)
