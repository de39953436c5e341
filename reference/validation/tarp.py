"""TARP, tests of accuracy with random points: credibility from samples, for posteriors without a density.

For M observations, each with its true parameters θ*, L posterior samples θ₁ … θ_L and a reference point ρ:

    (1)  α = ∫ q(θ|x) 1[‖θ − ρ‖ < ‖θ* − ρ‖] dθ             the credibility of the ball about ρ that reaches θ*
    (2)  α ≈ (#{l : ‖θₗ − ρ‖ < ‖θ* − ρ‖} + u (e + 1)) / (L + 1),   u ~ U(0, 1), e = #{l : ‖θₗ − ρ‖ = ‖θ* − ρ‖}

If the posterior is exact, (2) is uniform on [0, 1], for any L and any ρ that does not depend on θ*.
`coverage` has its curve, band and p-value: `coverage.p_value(tarp.credibility(…))`. Only an exact posterior
passes for every choice of references; how well a defect shows depends on the choice (*Power* of `coverage`).

Shapes        M observations, L samples of each, D parameters; samples (M, L, D), truths, references (M, D).
Conventions   ‖·‖ is Euclidean; squares, which rank like distances, are compared.
Source        "Sampling-based accuracy testing of posterior estimators for general inference", Lemos, Coogan,
              Hezaveh and Perreault-Levasseur, 2023 (arXiv:2302.03026).
Departures    (2) breaks ties and fills the gaps between ranks at random, so that it is exactly uniform.

Example

    >>> import numpy as np
    >>> from reference.validation import coverage, tarp
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
import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array, Rng
from reference.numerics.ranks import check_samples, count_below, randomised

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
    distance_samples = np.sum((samples - references[:, None, :])**2, axis=2, keepdims=True)
    distance_truths = np.sum((truths - references)**2, axis=1, keepdims=True)
    closer, equal = count_below(distance_samples, distance_truths)
    return randomised(rng, closer[:, 0], equal[:, 0], samples)                                     # (2)
