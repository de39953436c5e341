"""Pixels on the real line: noise fills the gaps between grey levels, and a logit takes them off their bounds.

The mathematics is in `reference.preprocessing.pixels`. Same values; every logarithm is taken once, for the map and its
log-determinant alike:

    a = log v,  b = log(1 − v):    y = a − b,   log_det = D log(1 − 2α) − ∑ⱼ (aⱼ + bⱼ)
    e = exp(−|y|):    σ(y) = (y ≥ 0 ? 1 : e)/(1 + e),   log σ(y) + log(1 − σ(y)) = −|y| − 2 log(1 + e)

and the arrays that hold a, b and e become the results.
"""
import math

import numpy as np

from accel.runtime import checks
from accel.device import array_module

__all__ = ["dequantise", "quantise", "to_real", "from_real", "bits_per_dim", "checkerboard"]


def dequantise(x, noise, *, levels):
    """u of (1), (N, D), where x lives and in its dtype."""
    checks.check_count("levels", levels, least=2)
    x = checks.as_array("x", x, ("N", "D"))
    u = x + array_module(x).asarray(checks.as_array("noise", noise, x.shape), dtype=x.dtype)
    u /= levels
    return u


def quantise(u, *, levels):
    """The level 0 … Q−1 of each pixel, whole numbers in the dtype of u (N, D)."""
    checks.check_count("levels", levels, least=2)
    u = checks.as_array("u", u, ("N", "D"))
    xp, x = array_module(u), levels * u
    xp.floor(x, out=x)
    return xp.clip(x, 0, levels - 1, out=x)


def to_real(u, *, alpha):
    """y (N, D) and log|det ∂y/∂u| (N,)."""
    u, alpha = checks.as_array("u", u, ("N", "D")), check_alpha(alpha)
    xp, v = array_module(u), (1 - 2 * alpha) * u
    v += alpha
    a = xp.log(v)
    xp.negative(v, out=v)
    b = xp.log1p(v, out=v)
    y = a - b
    a += b
    log_det = a.sum(axis=1)
    return y, xp.subtract(u.shape[1] * math.log(1 - 2 * alpha), log_det, out=log_det)


def from_real(y, *, alpha):
    """u (N, D), a little outside the unit cube where |y| is large, and log|det ∂u/∂y| (N,)."""
    y, alpha = checks.as_array("y", y, ("N", "D")), check_alpha(alpha)
    xp, away = array_module(y), abs(y)
    e = xp.exp(-away)
    u = xp.where(y >= 0, 1, e)
    u /= 1 + e
    u -= alpha
    u /= 1 - 2 * alpha
    xp.log1p(e, out=e)
    e *= 2
    e += away
    log_det = e.sum(axis=1)
    log_det += y.shape[1] * math.log(1 - 2 * alpha)
    return u, xp.negative(log_det, out=log_det)


def bits_per_dim(log_prob, *, dim):
    """(7) for log P(x) or its bound, in nats, of images of `dim` pixels."""
    return log_prob / (-checks.check_count("dim", dim) * math.log(2))


def checkerboard(height, width):
    """An order of the pixels that puts the white squares of a chessboard before the black ones, (height·width,), on the host."""
    for name, value in (("height", height), ("width", width)):
        checks.check_count(name, value)
    black = np.add.outer(np.arange(height), np.arange(width)).ravel() % 2 == 0
    return np.concatenate((np.flatnonzero(~black), np.flatnonzero(black)))


def check_alpha(alpha):
    """α as a float, or a ValueError."""
    if checks.check_positive("alpha", alpha) >= 0.5:
        raise ValueError(f"alpha: expected a number between 0 and ½, got {alpha!r}")
    return float(alpha)
