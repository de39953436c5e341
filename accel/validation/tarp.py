"""TARP, tests of accuracy with random points: credibility from samples, for posteriors without a density.

The mathematics is in `reference.validation.tarp`. Same values; samples are ranked as in
`accel.numerics.ranks`, and squared distances are summed parameter by parameter into one (M, L) array:
the (M, L, D) array of differences never exists.

Example

    >>> import numpy as np
    >>> from accel.validation import coverage, tarp
    >>> rng = np.random.default_rng(0)
    >>> centres = rng.normal(0.0, 3.0, (500, 1, 2))               # posteriors N(centre, I), truths from them
    >>> samples, truths = rng.normal(centres, 1.0, (500, 99, 2)), rng.normal(centres[:, 0], 1.0)
    >>> points = rng.normal(0.0, 3.0, (500, 2))
    >>> bool(coverage.p_value(tarp.credibility(rng, samples, truths, points)) > 0.01)
    True
    >>> narrow = centres + 0.6 * (samples - centres)
    >>> bool(coverage.p_value(tarp.credibility(rng, narrow, truths, points)) > 0.01)
    False
"""
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng
from accel.device import array_module
from accel.numerics.ranks import check_samples, count_below, randomised

__all__ = ["credibility"]


def credibility(rng: Rng, samples: Array, truths: Array, references: Array) -> Array:
    """The credibility of the ball about each reference point that reaches the truth, (M,).

    Parameters
    ----------
    rng : Generator
        Draws one uniform number for each observation.
    samples : (M, L, D) float
        Scale the parameters to comparable units first: distances mix them.
    truths : (M, D) float
    references : (M, D) float
        One point ρ for each observation; it may depend on x, but not on the truth.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or there is no observation or no sample.
    """
    samples, truths = check_samples(samples, truths)
    references = checks.as_array("references", references, truths.shape)
    checks.check_finite("references", references)
    closer, equal = count_below(squared_distance(samples, references[:, None, :])[:, :, None],
                                squared_distance(truths, references)[:, None])
    return randomised(rng, closer[:, 0], equal[:, 0], samples)                                     # (2)


def squared_distance(theta: Array, reference: Array) -> Array:
    """∑_d (θ_d − ρ_d)² over the last axis."""
    xp = array_module(theta)
    total = xp.zeros(theta.shape[:-1], theta.dtype)
    difference = xp.empty_like(total)
    for d in range(theta.shape[-1]):
        xp.subtract(theta[..., d], reference[..., d], out=difference)
        difference *= difference
        total += difference
    return total
