"""Expected coverage: how often truths lie in the smallest region that holds 90 %, 50 %, … of a posterior.

The mathematics is in `reference.validation.coverage`. Same values; samples are ranked as in
`accel.numerics.ranks`, in blocks and into one mask.

Example

    >>> import numpy as np
    >>> from accel.validation import coverage
    >>> rng = np.random.default_rng(0)
    >>> samples, truths = rng.standard_normal((500, 99)), rng.standard_normal(500)      # q = N(0, 1), exact
    >>> alpha = coverage.credibility(rng, -0.5 * samples**2, -0.5 * truths**2)
    >>> np.allclose(coverage.curve(alpha, [0.5, 0.9]), [0.5, 0.9], atol=0.06), coverage.p_value(alpha) > 0.01
    (True, True)
"""
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng
from accel.numerics.ranks import count_below, randomised
from accel.validation import uniformity
from accel.validation.mean_log_prob import check_log_prob
from accel.validation.uniformity import band

__all__ = ["credibility", "curve", "band", "p_value"]


def credibility(rng: Rng, log_prob_samples: Array, log_prob_truths: Array) -> Array:
    """The credibility of the smallest highest-density region that reaches each truth, (M,).

    Parameters
    ----------
    rng : Generator
        Draws one uniform number for each observation.
    log_prob_samples : (M, L) float
        log q(θₗ|x) of each posterior sample, in nats; −inf is allowed.
    log_prob_truths : (M,) float
        log q(θ*|x); −inf, a truth outside the support, has a credibility near 1.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is NaN or +inf, or there is no observation or no sample.
    """
    samples = checks.as_array("log_prob_samples", log_prob_samples, ("M", "L"))
    truths = checks.as_array("log_prob_truths", log_prob_truths, (len(samples),))
    checks.check_count("log_prob_samples: number of entries", samples.size)
    check_log_prob("log_prob_samples", samples)
    check_log_prob("log_prob_truths", truths)
    below, equal = (count[:, 0] for count in count_below(samples[:, :, None], truths[:, None]))
    return randomised(rng, samples.shape[1] - below - equal, equal, samples)                       # (2)


def curve(credibility: Array, grid: Array) -> Array:
    """The expected coverage at each level of the grid, (K,).

    Parameters
    ----------
    credibility : (M,) float
    grid : (K,) float
        Ascending levels of credibility within [0, 1].

    Raises
    ------
    ValueError
        If a shape does not fit, there is no observation, or a number lies outside [0, 1].
    """
    return uniformity.curve(check_credibility(credibility), grid)[:, 0]                              # (3)


def p_value(credibility: Array) -> float:
    """The two-sided Kolmogorov–Smirnov p-value (4): below 1 − level exactly when the curve leaves the band.

    Parameters
    ----------
    credibility : (M,) float

    Raises
    ------
    ValueError
        If the shape does not fit, there is no observation, or a number lies outside [0, 1].
    """
    return uniformity.ks_p_values(check_credibility(credibility))[0]                                 # (4)


def check_credibility(credibility: Array) -> Array:
    """Credibility (M,) as a column (M, 1), within [0, 1], or ValueError."""
    credibility = checks.as_array("credibility", credibility, ("M",))
    return uniformity.check_values(credibility[:, None], name="credibility")
