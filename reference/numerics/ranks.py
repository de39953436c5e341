"""Ranks of true parameters among posterior samples, with ties broken at random.

What PIT, simulation-based calibration, coverage and TARP count. For one truth θ* and its samples θ₁ … θ_L:

    (1)  r = #{l : θₗ < θ*},   e = #{l : θₗ = θ*}
    (2)  v = (r + u (e + 1)) / (L + 1),   u ~ U(0, 1)

If θ* and its samples are independent draws of one distribution, each of the L + 1 places of θ* is equally
probable, and v is uniform on [0, 1]: for any L, and for discrete distributions too, where r/L is not.

Shapes        M observations, L samples of each, D parameters; samples (M, L, D), truths (M, D).

Example

    >>> import numpy as np
    >>> from reference.numerics import ranks
    >>> below, equal = ranks.count_below(np.array([[[1.0], [2.0], [2.0], [5.0]]]), np.array([[2.0]]))
    >>> below.tolist(), equal.tolist()
    ([[1]], [[2]])
"""
import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = []
SHARED = ["count_below", "randomised", "check_samples", "check_level"]
__all__ += SHARED


def count_below(samples: Array, truths: Array) -> tuple[Array, Array]:
    """How many samples lie below the truth, and how many are equal to it, (M, D) int each.

    Parameters
    ----------
    samples : (M, L, D) float
    truths : (M, D) float
    """
    truths = truths[:, None, :]
    return np.sum(samples < truths, axis=1), np.sum(samples == truths, axis=1)                     # (1)


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
    return (counts + rng.random(counts.shape) * (ties + 1)) / (samples.shape[1] + 1)               # (2)


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
