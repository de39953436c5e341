"""What Langevin samplers share: noise levels, the chains that they return, and the error that stops them.

    (1)  σᵢ = σ₁ (σ_L/σ₁)^((i − 1)/(L − 1)),   i = 1 … L         geometric noise levels

Shapes        N chains, D dimensions, L levels; x (N, D); σ (L,), strictly decreasing.
Conventions   levels and steps count from 1.
Source        "Generative modeling by estimating gradients of the data distribution", Song and Ermon, 2019,
              section 3.

Example
-------
>>> from reference.generative import score_matching
>>> print(score_matching.noise_levels(10.0, 0.01, 4))
[10.    1.    0.1   0.01]
"""
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array

__all__ = []
SHARED = ["Samples", "NonFiniteScoreError", "noise_levels", "check_levels", "check_start", "stacked"]
__all__ += SHARED


class Samples(NamedTuple):
    """The chains after the last step.

    Attributes
    ----------
    x : (N, D) float
    trajectory : (n_kept, N, D) float or None
        Every `every`-th state, in order over all levels; None unless asked for.
    acceptance : (N,) float or None
        The fraction of proposals that each chain has accepted; None without an accept-reject step.
    """
    x: Array
    trajectory: Array | None = None
    acceptance: Array | None = None


class NonFiniteScoreError(ArithmeticError):
    """A score or a chain is NaN or infinite.

    Attributes
    ----------
    level, step : int
        Where, counted from 1; `step` is the step within the level.
    samples : Samples
        The chains before that step.
    """

    def __init__(self, level, step, sigma, n_bad, samples):
        super().__init__(f"score: expected finite numbers, got NaN or inf in {n_bad} of {len(samples.x)} "
                         f"chains at level {level} (sigma = {sigma:.6g}), step {step}; look at the score "
                         "there or lower the step size (.samples holds the chains as they were before that "
                         "step)")
        self.level, self.step, self.samples = level, step, samples


def noise_levels(sigma_max: float, sigma_min: float, n_levels: int) -> Array:
    """The geometric sequence σ₁ = sigma_max > … > σ_L = sigma_min, float64 (L,).

    Parameters
    ----------
    sigma_max, sigma_min : float
        σ₁ > σ_L > 0.
    n_levels : int
        L, at least two.

    Raises
    ------
    ValueError
        If a number is not as above.
    """
    high, low = checks.check_positive("sigma_max", sigma_max), checks.check_positive("sigma_min", sigma_min)
    if not high > low:
        raise ValueError(f"sigma_min: expected a number below sigma_max = {high:.6g}, got {low:.6g}")
    i = np.arange(checks.check_count("n_levels", n_levels, least=2))
    return high * (low / high) ** (i / (n_levels - 1))                # (1)


def check_levels(sigmas):
    """The noise levels as float64 (L,), or a ValueError unless they are positive and strictly decreasing."""
    sigmas = checks.as_array("sigmas", sigmas, ("L",)).astype(np.float64)
    checks.check_count("sigmas: number of levels", len(sigmas))
    checks.check_finite("sigmas", sigmas)
    checks.check_positive("sigmas: last level", sigmas[-1])
    rises = np.flatnonzero(np.diff(sigmas) >= 0)
    if len(rises):
        above, here = sigmas[rises[0]:rises[0] + 2]
        raise ValueError(f"sigmas: expected strictly decreasing noise levels, got {here:.6g} after "
                         f"{above:.6g} (level {rises[0] + 2})")
    return sigmas


def check_start(start, n_steps, every):
    """A copy of the start, or a ValueError."""
    x = checks.as_array("start", start, ("N", "D"))
    checks.check_finite("start", x)
    checks.check_count("n_steps", n_steps)
    if every is not None:
        checks.check_count("every", every)
    return x.copy()


def stacked(kept, x, every):
    """The trajectory from the states that were kept, None where none was asked for."""
    return np.array(kept, x.dtype).reshape(-1, *x.shape) if every else None
