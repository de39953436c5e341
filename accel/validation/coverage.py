"""Expected coverage: how often the truth lies in the region that a posterior calls its most probable 90 %, 50 %, … .

The mathematics is in `reference.validation.coverage`. Same values; samples are ranked as in `accel.validation.pit`, in blocks and
into one mask, and the squared distances of (5) are summed parameter by parameter into one (M, L) array: the (M, L, D) array of
differences never exists.
"""
from accel.runtime import checks
from accel.device import array_module
from accel.validation import pit
from accel.validation.mean_log_prob import check_log_prob
from accel.validation.pit import band, check_samples, count_below, randomised

__all__ = ["credibility", "tarp", "curve", "band", "p_value"]


def credibility(rng, log_prob_samples, log_prob_truths):
    """The credibility of the smallest highest-density region that reaches each truth, (M,)."""
    samples = checks.as_array("log_prob_samples", log_prob_samples, ("M", "L"))
    truths = checks.as_array("log_prob_truths", log_prob_truths, (len(samples),))
    checks.check_count("log_prob_samples: number of entries", samples.size)
    check_log_prob("log_prob_samples", samples)
    check_log_prob("log_prob_truths", truths)
    below, equal = count_below(samples[:, :, None], truths[:, None])
    return randomised(rng, samples.shape[1] - below[:, 0] - equal[:, 0], equal[:, 0], samples)


def tarp(rng, samples, truths, references):
    """The credibility of the ball about each reference point that reaches the truth, (M,): for posteriors without a density."""
    samples, truths = check_samples(samples, truths)
    references = checks.as_array("references", references, truths.shape)
    checks.check_finite("references", references)
    closer, equal = count_below(_squared_distance(samples, references[:, None, :])[:, :, None],
                                _squared_distance(truths, references)[:, None])
    return randomised(rng, closer[:, 0], equal[:, 0], samples)


def _squared_distance(theta, reference):
    """∑_d (θ_d − ρ_d)² over the last axis."""
    xp = array_module(theta)
    total = xp.zeros(theta.shape[:-1], theta.dtype)
    difference = xp.empty_like(total)
    for d in range(theta.shape[-1]):
        xp.subtract(theta[..., d], reference[..., d], out=difference)
        difference *= difference
        total += difference
    return total


def curve(credibility, grid):
    """The expected coverage at each level of the grid, (K,)."""
    return pit.curve(check_credibility(credibility), grid)[:, 0]


def p_value(credibility):
    """The two-sided Kolmogorov–Smirnov p-value of (4), a float: below 1 − level exactly when the curve leaves the band."""
    return pit.ks_p_values(check_credibility(credibility))[0]


def check_credibility(credibility):
    """Credibility (M,) as a column (M, 1), within [0, 1], or ValueError."""
    credibility = checks.as_array("credibility", credibility, ("M",))
    return pit.check_values(credibility[:, None], name="credibility")
