"""Checks of a target and of the points where its chains start.

The rules are in `reference.inference.target_checks`. Same errors; of a check one number is fetched, and more
only if it fails.

Example

    >>> import numpy as np
    >>> from accel.inference import target_checks
    >>> target_checks.check_supported(np.array([-1.0, -np.inf]))
    Traceback (most recent call last):
    ValueError: start: expected points inside the target's support, got 1 of 2 with a density of zero
"""
import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array, Rng, Target
from accel.device import array_module, like, to_host
from accel.inference.chains import NotFinite

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
    outside = int((log_prob == -np.inf).sum())
    if outside:
        raise ValueError(f"start: expected points inside the target's support, got {outside} of "
                         f"{len(log_prob)} with a density of zero")


def check_finite_log_prob(log_prob: Array, rows: Array | None = None, n_chains: int | None = None) -> None:
    """Raise NotFinite, with the number of chains, if a log-density is NaN or +inf.

    By default entry i belongs to chain i; with rows, numbers in 0 … m n_chains − 1, to chain rows[i] %
    n_chains. """
    good = log_prob < np.inf
    if not bool(good.all()):
        bad = ~to_host(good)
        bad_rows = np.flatnonzero(bad) if rows is None else to_host(rows)[bad] % n_chains
        raise NotFinite("log_prob", len(set(bad_rows.tolist())))


def check_gradient(rng: Rng, target: Target, u: Array, log_prob: Array, grad: Array) -> None:
    """Raise ValueError if (1) fails at more than half of the starts u where it can be evaluated."""
    xp, h = array_module(u), 1e-3 if u.dtype == np.float64 else 1e-2
    direction = like(u, rng.standard_normal(u.shape))
    direction /= xp.sqrt(xp.einsum("ij,ij->i", direction, direction))[:, None]
    ours = xp.einsum("ij,ij->i", grad, direction)
    direction *= h
    expected = target.log_prob(u + direction) - target.log_prob(u - direction)
    expected /= 2 * h                                                                                  # (1)
    known = xp.isfinite(expected)
    allowed = 0.1 * xp.maximum(xp.abs(expected), xp.abs(ours))
    allowed += (8 * float(np.finfo(u.dtype).eps) / h) * xp.abs(log_prob)
    allowed += 0.05
    off = xp.logical_and(known, xp.abs(ours - expected) > allowed)
    if bool(2 * off.sum() > known.sum()):
        row = int(xp.argmax(off))
        raise ValueError(f"target: expected the gradient of its log_prob, got one whose slope at start {row} "
                         f"is {float(ours[row]):.4g} in a direction where central differences find "
                         f"{float(expected[row]):.4g}")
