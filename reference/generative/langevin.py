"""Langevin dynamics: samples of a density of which only the score s = ∇ log p is known.

    (1)  xₜ = xₜ₋₁ + (ε/2) s(xₜ₋₁) + √ε zₜ,   zₜ ~ N(0, I)     unadjusted
    (2)  v_∞ = v/(1 − ε/4v)                                  the variance of (1) for a Gaussian of variance v
    (3)  αᵢ = ε σᵢ²/σ_L²                                     annealed: T steps of (1), ε → αᵢ, s → s(·, σᵢ),
                                                             for i = 1 … L, each level from the last one's end
    (4)  x + σ_L² s(x, σ_L) = E[clean | x]                   the noise of the last level removed

By (1) alone, separated modes keep the weights that the start gives them. In (3) the first levels have no gap
between modes, and the chains reach the right weights there and keep them.

Shapes        N chains, D dimensions, L levels; x (N, D); σ (L,) strictly decreasing.
Conventions   a score is a callable (x, sigma) → (N, D), sigma a plain number, 0 for the data's own density.
              One noise array (N, D) a step. Steps and levels count from 1. `metropolis` is from `mala`.
Source        "Generative modeling by estimating gradients of the data distribution", Song and Ermon, 2019,
              algorithm 1; "Adversarial score matching and improved sampling for image generation",
              Jolicoeur-Martineau et al., 2021 (4); lecture S1, slides "Langevin dynamics".
Departures    S1 calls x_T "an exact sample" for T large: it is exact for ε → 0; (2) is the error at any ε.

Example
-------
>>> import numpy as np
>>> from reference.generative import langevin
>>> rng = np.random.default_rng(0)
>>> chains = langevin.unadjusted(rng, lambda x, sigma: -x, np.zeros((10_000, 1)), step_size=0.4, n_steps=50)
>>> print(round(float(chains.x.var()), 1), round(1 / (1 - 0.4 / 4), 1))  # of a standard normal, and by (2)
1.1 1.1
"""
import math
from collections.abc import Callable

import numpy as np

from reference.generative.langevin_chains import (NonFiniteScoreError, Samples, check_levels, check_start,
                                                  stacked)
from reference.generative.mala import metropolis
from reference.runtime import checks
from reference.runtime.progress import progress_bar
from reference.runtime.protocols import Array, Rng

__all__ = ["Samples", "NonFiniteScoreError", "unadjusted", "metropolis", "annealed"]


def unadjusted(rng: Rng, score: Callable, start: Array, *, step_size: float, n_steps: int, sigma: float = 0.0,
               every: int | None = None, progress: bool = False) -> Samples:
    """Plain Langevin dynamics (1) along the score of one noise level.

    Parameters
    ----------
    rng : Generator
    score : callable
        (x, sigma) → (N, D). A score that keeps x must copy it.
    start : (N, D) float
        One row for each chain.
    step_size : float
        ε, in the squared units of x; below 4v in every direction, or the chains diverge, see (2).
    n_steps : int
        The number of steps.
    sigma : float
        Zero or above; passed to score.
    every : int, optional
        Keep a trajectory: the states after this many steps, twice as many, and so on.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ValueError
        If an argument is not as above.
    NonFiniteScoreError
        If a score, or a chain, is no longer finite.
    """
    sigma = checks.check_positive("sigma", sigma) if sigma else 0.0
    levels = [(sigma, checks.check_positive("step_size", step_size))]
    return run_levels(rng, score, start, levels, n_steps, False, every, progress)


def annealed(rng: Rng, score: Callable, start: Array, *, sigmas: Array, step_size: float, n_steps: int,
             denoise: bool = False, every: int | None = None, progress: bool = False) -> Samples:
    """Annealed Langevin dynamics (3), from the highest to the lowest noise level.

    Parameters
    ----------
    rng, score, start, every, progress
        As in `unadjusted`.
    sigmas : (L,) float
        Strictly decreasing noise levels, in the units of x.
    step_size : float
        ε, the step at the last level. A tenth or two of σ_L² is small enough for (2) at every level.
    n_steps : int
        T, at each level.
    denoise : bool
        End with (4).

    Raises
    ------
    ValueError, NonFiniteScoreError
        As in `unadjusted`. The step of (4) counts as step T + 1.
    """
    sigmas, step_size = check_levels(sigmas), checks.check_positive("step_size", step_size)
    levels = [(float(sigma), step_size * float(sigma / sigmas[-1])**2) for sigma in sigmas]           # (3)
    return run_levels(rng, score, start, levels, n_steps, denoise, every, progress)


def run_levels(rng, score, start, levels, n_steps, denoise, every, progress):
    """(1) for n_steps at each level (σ, α), and (4) at the end where asked for."""
    x = check_start(start, n_steps, every)
    kept, bar = [], progress_bar(progress, len(levels) * n_steps, unit="step")
    try:
        for level, (sigma, alpha) in enumerate(levels, 1):
            for step in range(1, n_steps + 1):
                drift = 0.5 * alpha * checks.as_array("score(x, sigma)", score(x, sigma), x.shape)
                z = rng.standard_normal(x.shape).astype(x.dtype)
                moved = x + drift + math.sqrt(alpha) * z              # (1)
                check_moved(moved, level, step, sigma, x, kept, every)
                x = moved
                if every and ((level - 1) * n_steps + step) % every == 0:
                    kept.append(x)
                bar.update(1)
        if denoise:
            s = checks.as_array("score(x, sigma)", score(x, sigma), x.shape)
            clean = x + sigma**2 * s                                  # (4)
            check_moved(clean, level, n_steps + 1, sigma, x, kept, every)
            x = clean
    finally:
        bar.close()
    return Samples(x, stacked(kept, x, every))


def check_moved(moved, level, step, sigma, x, kept, every):
    """Raise NonFiniteScoreError, with the chains before the step, unless all are finite after it."""
    n_bad = np.count_nonzero(~np.isfinite(moved).all(axis=1))
    if n_bad:
        raise NonFiniteScoreError(level, step, sigma, n_bad, Samples(x, stacked(kept, x, every)))
