"""Langevin dynamics: samples of a density of which only the score s = ∇ log p is known.

The mathematics is in `reference.generative.langevin`. Same values; no step waits for a device
(`langevin_chains`). If the score carries a form that kernels know (`kernels.score.form`), as those of fitted
models, score networks and Gaussian mixtures do, one kernel computes all steps of all chains between two looks
at the flag: score, noise and move.

Example
-------
>>> import numpy as np
>>> from accel.generative import langevin
>>> rng = np.random.default_rng(0)
>>> chains = langevin.unadjusted(rng, lambda x, sigma: -x, np.zeros((10_000, 1)), step_size=0.4, n_steps=50)
>>> print(round(float(chains.x.var()), 1), round(1 / (1 - 0.4 / 4), 1))  # of a standard normal, and by (2)
1.1 1.1
"""
import math
from collections.abc import Callable

from accel.generative.langevin_chains import (Chains, NonFiniteScoreError, Samples, check_levels, check_start,
                                              pause)
from accel.generative.mala import metropolis
from accel.kernels import cuda
from accel.kernels.langevin import launch as langevin_kernel
from accel.runtime import checks
from accel.runtime.progress import progress_bar
from accel.runtime.protocols import Array, Rng

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
    start, total = check_start(start, n_steps, every), len(levels) * n_steps
    chains, bar = Chains(start, total, every), progress_bar(progress, total, unit="step")
    moves = [(sigma, 0.5 * alpha, math.sqrt(alpha)) for sigma, alpha in levels]                       # (1)
    if denoise:
        moves.append((levels[-1][0], levels[-1][0]**2, 0.0))          # (4)
    stepper = langevin_kernel.stepper(score, start, moves) if cuda.wanted(chains.xp) else None
    at_once = pause(chains.xp)
    try:
        for kind, move in enumerate(moves):
            n_moves = n_steps if move[2] else 1
            for done in range(0, n_moves, at_once):
                n = min(at_once, n_moves - done)
                if stepper is None:
                    chains.steps(rng, score, move, n)
                else:
                    stepper.steps(chains, rng, kind, n)
                check_moved(chains, levels, n_steps, move[0])
                bar.update(n if move[2] else 0)
    finally:
        bar.close()
    return chains.samples(total)


def check_moved(chains, levels, n_steps, sigma):
    """Raise NonFiniteScoreError, with the chains before the step, unless all is finite so far."""
    if not bool(chains.finite):
        n_good = int(chains.n_good)
        level = min(n_good // n_steps, len(levels) - 1)
        n_bad = int((~chains.good.all(axis=1)).sum())
        step = n_good - level * n_steps + 1
        raise NonFiniteScoreError(level + 1, step, sigma, n_bad, chains.samples(n_good))
