"""Ranks of true parameters among posterior samples, with ties broken at random.

The mathematics is in `reference.numerics.ranks`. Same values; on the host, samples are read one parameter at
a time, along their long axis, in blocks that stay in cache, into one reused mask: the (M, L, D) arrays of
comparisons never exist.

Example

    >>> import numpy as np
    >>> from accel.numerics import ranks
    >>> below, equal = ranks.count_below(np.array([[[1.0], [2.0], [2.0], [5.0]]]), np.array([[2.0]]))
    >>> below.tolist(), equal.tolist()
    ([[1]], [[2]])
"""
import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array, Rng
from accel.device import array_module, put

__all__ = []
SHARED = ["count_below", "randomised", "check_samples", "check_level"]
__all__ += SHARED

BLOCK = 1 << 16


def count_below(samples: Array, truths: Array) -> tuple[Array, Array]:
    """How many samples lie below the truth, and how many are equal to it, (M, D) int each.

    Parameters
    ----------
    samples : (M, L, D) float
    truths : (M, D) float
    """
    xp, (m, n_samples, dim) = array_module(samples), samples.shape
    rows = min(m, max(1, BLOCK // n_samples)) if xp is np else m
    below, equal = xp.empty((m, dim), np.int64), xp.empty((m, dim), np.int64)
    mask = xp.empty((rows, n_samples), bool)
    for start in range(0, m, rows):
        block = slice(start, start + rows)
        for d in range(dim):
            theta, truth = samples[block, :, d], truths[block, d, None]
            hits = mask[:len(theta)]
            below[block, d] = xp.count_nonzero(xp.less(theta, truth, out=hits), axis=1)            # (1)
            equal[block, d] = xp.count_nonzero(xp.equal(theta, truth, out=hits), axis=1)
    return below, equal


def randomised(rng: Rng, counts: Array, ties: Array, samples: Array) -> Array:
    """v, in the shape of counts.

    Parameters
    ----------
    rng : Generator
        Draws one uniform number for each count.
    counts, ties : (M, …) int
        r and e.
    samples : (M, L, …) float
        The samples that were counted, for their number.
    """
    xp, dtype = array_module(samples), samples.dtype
    v = put(rng.random(counts.shape), xp, dtype) * (ties + 1).astype(dtype)
    v += counts.astype(dtype)
    v /= samples.shape[1] + 1                                                                      # (2)
    return v


def check_samples(samples: Array, truths: Array) -> tuple[Array, Array]:
    """Samples and truths that fit each other, as finite arrays.

    Parameters
    ----------
    samples : (M, L, D) float
    truths : (M, D) float

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or there is no observation or no sample.
    """
    samples = checks.as_array("samples", samples, ("M", "L", "D"))
    truths = checks.as_array("truths", truths)
    m, n_samples, dim = samples.shape
    checks.check_shape("truths", truths, (m, dim))
    for name, count in (("observations", m), ("samples of each observation", n_samples), ("parameters", dim)):
        checks.check_count(f"samples: number of {name}", count)
    checks.check_finite("samples", samples)
    checks.check_finite("truths", truths)
    return samples, truths


def check_level(name: str, value: float) -> None:
    """Refuse what is no probability strictly between 0 and 1.

    Parameters
    ----------
    name : str
        The name of the argument, for the error.
    value : float

    Raises
    ------
    ValueError
        If value is not in (0, 1).
    """
    if checks.check_positive(name, value) >= 1:
        raise ValueError(f"{name}: expected a probability between 0 and 1, got {value!r}")
