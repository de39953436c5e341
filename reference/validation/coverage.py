"""Expected coverage: how often the truth lies in the region that a posterior calls its most probable 90 %, 50 %, … .

For M observations, each with its true parameters θ* and L posterior samples θ₁ … θ_L; all parameters are judged together:

    (1)  α = ∫ q(θ|x) 1[q(θ|x) > q(θ*|x)] dθ                  the credibility of the smallest region that reaches θ*
    (2)  α ≈ (#{l : q(θₗ|x) > q(θ*|x)} + u (e + 1)) / (L + 1),   u ~ U(0, 1),  e = #{l : q(θₗ|x) = q(θ*|x)}
    (3)  EC(c) = (1/M) #{m : αₘ ≤ c}                          coverage expected of regions of credibility c
    (4)  p = P(D_M ≥ sup_c |EC(c) − c|)                       Kolmogorov–Smirnov, exact for every M
    (5)  TARP: with a reference point ρ, α ≈ (#{l : ‖θₗ − ρ‖ < ‖θ* − ρ‖} + u (e + 1)) / (L + 1), e the ties

If the posterior is exact, (2) and (5) are uniform on [0, 1], for any L, and EC(c) = c.

Shapes        M observations, L samples of each, D parameters, K levels of credibility; log_prob_samples (M, L),
              log_prob_truths (M,), samples (M, L, D), truths and references (M, D), credibility (M,).
Conventions   EC above the diagonal: the posterior is too wide, which is safe; below: too narrow. log q needs no normalisation,
              as long as its constant is the same for the truth and the samples of one observation. Outside the support it is −inf.
Power         share of 200 wrong posteriors with p < 0.05 by (4), M = 500 (`tests/validation/test_power.py`):

                                                 20 % too narrow      half a sigma of bias
                parameters D, biased of them            2           2, 2    1, 1    10, 1
                (2)                                   1.00          0.98    0.80     0.17
                (5), ρ drawn about the truths         0.94          0.46    0.29     0.07
                (5), ρ far off to one side            0.86          1.00    1.00     0.20

              (2) sees how far off the truth lies, not in which direction: a bias looks like a width too narrow, and drowns among
              unbiased parameters. (5) knows the direction if the references lie to one side of the posteriors, as in a corner
              of the prior; about them, the two signs of a bias cancel. For a bias in one parameter of many ask `pit`.
Source        "A trust crisis in simulation-based inference? Your posterior approximations can be unfaithful", Hermans, Delaunoy,
              Rozet, Wehenkel, Begy and Louppe, 2022; (5) "Sampling-based accuracy testing of posterior estimators
              for general inference", Lemos, Coogan, Hezaveh and Perreault-Levasseur, 2023 (arXiv:2302.03026).
Departures    (2) and (5) break ties and fill the gaps between ranks at random, so that credibility is exactly uniform.
"""
import numpy as np

from reference.runtime import checks
from reference.validation import pit
from reference.validation.mean_log_prob import check_log_prob
from reference.validation.pit import band, check_samples, count_below

__all__ = ["credibility", "tarp", "curve", "band", "p_value"]


def credibility(rng, log_prob_samples, log_prob_truths):
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
    below, equal = count_below(samples[:, :, None], truths[:, None])
    return _randomised(rng, samples.shape[1] - below[:, 0] - equal[:, 0], equal[:, 0], samples.shape[1])     # (2)


def tarp(rng, samples, truths, references):
    """The credibility of the ball about each reference point that reaches the truth, (M,): for posteriors without a density.

    Parameters
    ----------
    rng : Generator
        Draws one uniform number for each observation.
    samples : (M, L, D) float
        Scale the parameters to comparable units first: distances mix them.
    truths : (M, D) float
    references : (M, D) float
        One point ρ for each observation; it may depend on x, but not on the truth.
    """
    samples, truths = check_samples(samples, truths)
    references = checks.as_array("references", references, truths.shape)
    checks.check_finite("references", references)
    distance_samples = np.sum((samples - references[:, None, :])**2, axis=2, keepdims=True)      # squares rank like distances
    distance_truths = np.sum((truths - references)**2, axis=1, keepdims=True)
    closer, equal = count_below(distance_samples, distance_truths)
    return _randomised(rng, closer[:, 0], equal[:, 0], samples.shape[1])                          # (5)


def _randomised(rng, counts, ties, n_samples):
    return (counts + rng.random(counts.shape) * (ties + 1)) / (n_samples + 1)


def curve(credibility, grid):
    """The expected coverage at each level of the grid, (K,).

    Parameters
    ----------
    credibility : (M,) float
    grid : (K,) float
        Ascending levels of credibility within [0, 1].
    """
    return pit.curve(check_credibility(credibility), grid)[:, 0]                                  # (3)


def p_value(credibility):
    """The two-sided Kolmogorov–Smirnov p-value of (4), a float: below 1 − level exactly when the curve leaves the band."""
    return pit.ks_p_values(check_credibility(credibility))[0]                                     # (4)


def check_credibility(credibility):
    """Credibility (M,) as a column (M, 1), within [0, 1], or ValueError."""
    credibility = checks.as_array("credibility", credibility, ("M",))
    return pit.check_values(credibility[:, None], name="credibility")
