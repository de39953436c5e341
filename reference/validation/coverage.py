"""Expected coverage: how often truths lie in the smallest region that holds 90 %, 50 %, … of a posterior.

For M observations, each with its true parameters θ* and L posterior samples θ₁ … θ_L; all parameters are
judged together:

    (1)  α = ∫ q(θ|x) 1[q(θ|x) > q(θ*|x)] dθ            the credibility of the smallest region that reaches θ*
    (2)  α ≈ (#{l : q(θₗ|x) > q(θ*|x)} + u (e + 1)) / (L + 1),   u ~ U(0, 1),  e = #{l : q(θₗ|x) = q(θ*|x)}
    (3)  EC(c) = (1/M) #{m : αₘ ≤ c}                          coverage expected of regions of credibility c
    (4)  p = P(D_M ≥ sup_c |EC(c) − c|)                       Kolmogorov–Smirnov, exact for every M

If the posterior is exact, (2) is uniform on [0, 1], for any L, and EC(c) = c. Without a density, `tarp` gives
another α for (3) and (4).

Shapes        M observations, L samples of each, D parameters, K levels of credibility;
              log_prob_samples (M, L), log_prob_truths (M,), credibility (M,).
Conventions   EC above the diagonal: the posterior is too wide, which is safe; below: too narrow. log q needs
              no normalisation, if its constant is the same for the truth and the samples of one observation.
              Outside the support it is −inf.
Power         share of 200 wrong posteriors with p < 0.05 by (4), M = 500 (`python -m
              tests.validation.test_power`):

                                                 20 % too narrow      half a sigma of bias
                parameters D, biased of them            2           2, 2    1, 1    10, 1
                (2)                                   1.00          0.98    0.80     0.17
                TARP, ρ drawn about the truths        0.94          0.46    0.29     0.07
                TARP, ρ far off to one side           0.86          1.00    1.00     0.20

              (2) sees how far off the truth lies, not in which direction: a bias looks like a width that is
              too narrow, and is lost among unbiased parameters. TARP knows the direction if the references
              lie to one side of the posteriors, as in a corner of the prior; about them, the two signs of a
              bias cancel. For a bias in one parameter of many use `pit`.
Source        "A trust crisis in simulation-based inference? Your posterior approximations can be unfaithful",
              Hermans, Delaunoy, Rozet, Wehenkel, Begy and Louppe, 2022.
Departures    (2) breaks ties and fills the gaps between ranks at random, so that credibility is exactly
              uniform.

Example

    >>> import numpy as np
    >>> from reference.validation import coverage
    >>> rng = np.random.default_rng(0)
    >>> samples, truths = rng.standard_normal((500, 99)), rng.standard_normal(500)      # q = N(0, 1), exact
    >>> alpha = coverage.credibility(rng, -0.5 * samples**2, -0.5 * truths**2)
    >>> np.allclose(coverage.curve(alpha, [0.5, 0.9]), [0.5, 0.9], atol=0.06), coverage.p_value(alpha) > 0.01
    (True, True)
"""
from reference.runtime import checks
from reference.runtime.protocols import Array, Rng
from reference.numerics.ranks import count_below, randomised
from reference.validation import uniformity
from reference.validation.mean_log_prob import check_log_prob
from reference.validation.uniformity import band

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
