"""Checks of a target and of the points where its chains start.

    (1)  gᵢ·dᵢ ≈ (log π(uᵢ + h dᵢ) − log π(uᵢ − h dᵢ))/(2h)

Here gᵢ is the target's gradient at the start uᵢ, and dᵢ a random direction.

A log-density of −inf is legal within a run: the point lies outside the support. NaN and +inf are not.

Shapes        C chains, d′ parameters; u and the gradient (C, d′), log-densities (C,).
Conventions   the tolerance of (1) is a tenth of the slope plus rounding plus 0.05, so that curvature passes.

Example

    >>> import numpy as np
    >>> from reference.inference import target_checks
    >>> target_checks.check_supported(np.array([-1.0, -np.inf]))
    Traceback (most recent call last):
    ValueError: start: expected points inside the target's support, got 1 of 2 with a density of zero
"""
import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array, Rng, Target
from reference.inference.chains import NotFinite

__all__ = []
SHARED = ["check_start", "check_supported", "check_finite_log_prob", "check_gradient"]
__all__ += SHARED


def check_start(start: Array) -> Array:
    """The start as a finite (C, d′) array, or a ValueError."""
    start = checks.as_array("start", start, ("C", "d"))
    checks.check_count("start: number of chains", len(start))
    checks.check_finite("start", start)
    return start


def check_supported(log_prob: Array) -> None:
    """Raise ValueError if a chain starts where the log-density is −inf; NotFinite if it is NaN or +inf."""
    check_finite_log_prob(log_prob)
    outside = int(np.isneginf(log_prob).sum())
    if outside:
        raise ValueError(f"start: expected points inside the target's support, got {outside} of "
                         f"{len(log_prob)} with a density of zero")


def check_finite_log_prob(log_prob: Array) -> None:
    """Raise NotFinite, with the number of chains, if a log-density (…, C) is NaN or +inf."""
    bad = ~(log_prob < np.inf)
    if bad.any():
        raise NotFinite("log_prob", int(bad.reshape(-1, bad.shape[-1]).any(axis=0).sum()))


def check_gradient(rng: Rng, target: Target, u: Array, log_prob: Array, grad: Array) -> None:
    """Raise ValueError if (1) fails at more than half of the starts u where it can be evaluated."""
    direction, h = rng.standard_normal(u.shape), 1e-3 if u.dtype == np.float64 else 1e-2
    direction = direction / np.sqrt(np.sum(direction**2, axis=1, keepdims=True))
    after, before = target.log_prob(u + h * direction), target.log_prob(u - h * direction)
    expected, ours = (after - before) / (2 * h), np.sum(grad * direction, axis=1)            # (1)
    rounding = 8 * np.finfo(u.dtype).eps * np.abs(log_prob) / h
    allowed = 0.1 * np.maximum(np.abs(expected), np.abs(ours)) + rounding + 0.05
    known = np.isfinite(expected)
    off = known & (np.abs(ours - expected) > allowed)
    if 2 * off.sum() > known.sum():
        row = int(np.argmax(off))
        raise ValueError(f"target: expected the gradient of its log_prob, got one whose slope at start {row} "
                         f"is {ours[row]:.4g} in a direction where central differences find "
                         f"{expected[row]:.4g}")
