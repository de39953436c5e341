"""Langevin dynamics: samples of a density of which only the score s = ∇ log p is known.

    (1)  xₜ = xₜ₋₁ + (ε/2) s(xₜ₋₁) + √ε zₜ,   zₜ ~ N(0, I)             unadjusted
    (2)  v_∞ = v/(1 − ε/4v)                                          where (1) ends for a Gaussian of variance v: too wide
    (3)  q(x′|x) = N(x′; x + (ε/2) s(x), ε I)
    (4)  take x′ with probability min(1, p(x′) q(x|x′)/(p(x) q(x′|x)))   Metropolis: (1) is a proposal, and ε no longer biases
    (5)  αᵢ = ε σᵢ²/σ_L²                                             annealed: T steps of (1) with ε → αᵢ and s → s(·, σᵢ),
                                                                     for i = 1 … L, each level from where the last one ended
    (6)  x + σ_L² s(x, σ_L)                                          E[clean | x] at the last level: takes its noise away

Between modes that a gap parts, (1) and (4) keep for ever the shares in which they started. With (5) the first levels have no gap,
and the chains take the right shares down with them.

Shapes        N chains, D dimensions, L levels; x (N, D); σ (L,) strictly decreasing.
Conventions   a score is a callable (x, sigma) → (N, D), sigma a plain number, 0 for the data's own density. One noise
              array (N, D) a step; (4) draws N uniforms after it. Steps and levels count from 1.
Source        "Generative modeling by estimating gradients of the data distribution", Song and Ermon, 2019, algorithm 1;
              "Adversarial score matching and improved sampling", Jolicoeur-Martineau et al., 2021, (6); "Exponential convergence
              of Langevin distributions", Roberts and Tweedie, 1996, (4); lecture S1, slides "Langevin dynamics".
Departures    S1 calls x_T "an exact sample" for T large: it is so for ε → 0, and (2) says how far off it is at any ε.
"""
import math
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.progress import progress_bar

__all__ = ["Samples", "NonFiniteScoreError", "unadjusted", "metropolis", "annealed"]


class Samples(NamedTuple):
    """Where the chains are.

    Attributes
    ----------
    x : (N, D) float
    trajectory : (n_kept, N, D) float or None
        Every `every`-th state, in order over all levels; None unless asked for.
    acceptance : (N,) float or None
        The share of proposals that each chain has taken; None without (4).
    """
    x: np.ndarray
    trajectory: np.ndarray | None = None
    acceptance: np.ndarray | None = None


class NonFiniteScoreError(ArithmeticError):
    """The chains met NaN or infinity. Has `level`, `step` (within the level) and `samples`, where they were before it."""

    def __init__(self, level, step, sigma, n_bad, samples):
        super().__init__(f"score: expected finite numbers, got NaN or inf in {n_bad} of {len(samples.x)} chains at level {level} "
                         f"(sigma = {sigma:.6g}), step {step}; look at the score there or lower the step size "
                         "(.samples holds the chains as they were before that step)")
        self.level, self.step, self.samples = level, step, samples


def unadjusted(rng, score, start, *, step_size, n_steps, sigma=0.0, every=None, progress=False):
    """Plain Langevin dynamics (1) along the score of one noise level.

    Parameters
    ----------
    rng : Generator
    score : callable
        (x, sigma) → (N, D).
    start : (N, D) float
        One row for each chain.
    step_size : float
        ε, in the squared units of x; below 4v in every direction, or the chains run away, see (2).
    n_steps : int
    sigma : float
        Zero or above; handed to score.
    every : int, optional
        Keep a trajectory: the states after this many steps, twice as many, and so on.
    progress : bool

    Raises
    ------
    ValueError
        If an argument is not as above.
    NonFiniteScoreError
        If a score, or a chain, is no longer finite.
    """
    sigma = checks.check_positive("sigma", sigma) if sigma else 0.0
    levels = [(sigma, checks.check_positive("step_size", step_size))]
    return _walk(rng, score, start, levels, n_steps, False, every, progress)


def annealed(rng, score, start, *, sigmas, step_size, n_steps, denoise=False, every=None, progress=False):
    """Annealed Langevin dynamics (5), from the most to the least noise.

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
        End with (6).

    Raises
    ------
    ValueError, NonFiniteScoreError
        As in `unadjusted`. The step of (6) counts as step T + 1.
    """
    sigmas, step_size = check_levels(sigmas), checks.check_positive("step_size", step_size)
    levels = [(float(sigma), step_size * float(sigma / sigmas[-1])**2) for sigma in sigmas]              # (5)
    return _walk(rng, score, start, levels, n_steps, denoise, every, progress)


def _walk(rng, score, start, levels, n_steps, denoise, every, progress):
    """(1) for n_steps at each level (σ, α), and (6) in the end where asked for."""
    x = _check_start(start, n_steps, every)
    kept, bar = [], progress_bar(progress, len(levels) * n_steps, unit="step")
    try:
        for level, (sigma, alpha) in enumerate(levels, 1):
            for step in range(1, n_steps + 1):
                drift = 0.5 * alpha * checks.as_array("score(x, sigma)", score(x, sigma), x.shape)
                moved = x + drift + math.sqrt(alpha) * rng.standard_normal(x.shape).astype(x.dtype)       # (1)
                _check_moved(moved, level, step, sigma, x, kept, every)
                x = moved
                if every and ((level - 1) * n_steps + step) % every == 0:
                    kept.append(x)
                bar.update(1)
        if denoise:
            clean = x + sigma**2 * checks.as_array("score(x, sigma)", score(x, sigma), x.shape)           # (6)
            _check_moved(clean, level, n_steps + 1, sigma, x, kept, every)
            x = clean
    finally:
        bar.close()
    return Samples(x, _stacked(kept, x, every))


def metropolis(rng, log_prob, score, start, *, step_size, n_steps, every=None, progress=False):
    """Metropolis-adjusted Langevin (MALA): exact at any step size, for a density that is known up to a factor.

    Parameters
    ----------
    rng, start, step_size, n_steps, every, progress
        As in `unadjusted`.
    log_prob : callable
        x → (N,), in nats, up to a constant; −inf refuses a proposal, whatever the score is there.
    score : callable
        (x, sigma) → (N, D), called with sigma = 0: the gradient of log_prob.

    Raises
    ------
    ValueError, NonFiniteScoreError
        As in `unadjusted`; the latter also if log_prob is NaN or +inf, or not finite at the start (step 0).
    """
    step_size = checks.check_positive("step_size", step_size)
    x, log_p, s = _evaluate(log_prob, score, _check_start(start, n_steps, every))
    kept, taken, bar = [], np.zeros(len(x), x.dtype), progress_bar(progress, n_steps, unit="step")
    _check_evaluated(log_p, s, 0, np.zeros(len(x), bool), Samples(x, _stacked(kept, x, every), taken))
    try:
        for step in range(1, n_steps + 1):
            z = rng.standard_normal(x.shape).astype(x.dtype)
            proposed, log_p_new, s_new = _evaluate(log_prob, score, x + 0.5 * step_size * s + math.sqrt(step_size) * z)
            refused = log_p_new == -np.inf
            _check_evaluated(log_p_new, s_new, step, refused, Samples(x, _stacked(kept, x, every), taken / max(1, step - 1)))
            back = proposed - x + 0.5 * step_size * np.where(refused[:, None], 0.0, s_new).astype(x.dtype)
            log_ratio = log_p_new - log_p + 0.5 * np.sum(z**2, axis=1) - np.sum(back**2, axis=1) / (2 * step_size)    # (4)
            take = np.log1p(-rng.random(len(x))) < log_ratio                  # log of a uniform number in (0, 1]
            x, s = np.where(take[:, None], proposed, x), np.where(take[:, None], s_new, s)
            log_p, taken = np.where(take, log_p_new, log_p), taken + take.astype(x.dtype)
            if every and step % every == 0:
                kept.append(x)
            bar.update(1)
    finally:
        bar.close()
    return Samples(x, _stacked(kept, x, every), taken / n_steps)


def check_levels(sigmas):
    """The noise levels as float64 (L,), or a ValueError unless they are positive and strictly decreasing."""
    sigmas = checks.as_array("sigmas", sigmas, ("L",)).astype(np.float64)
    checks.check_count("sigmas: number of levels", len(sigmas))
    checks.check_finite("sigmas", sigmas)
    checks.check_positive("sigmas: last level", sigmas[-1])
    rises = np.flatnonzero(np.diff(sigmas) >= 0)
    if len(rises):
        above, here = sigmas[rises[0]:rises[0] + 2]
        raise ValueError(f"sigmas: expected strictly decreasing noise levels, got {here:.6g} after {above:.6g} (level {rises[0] + 2})")
    return sigmas


def _check_start(start, n_steps, every):
    x = checks.as_array("start", start, ("N", "D"))
    checks.check_finite("start", x)
    checks.check_count("n_steps", n_steps)
    if every is not None:
        checks.check_count("every", every)
    return x.copy()


def _check_moved(moved, level, step, sigma, x, kept, every):
    n_bad = np.count_nonzero(~np.isfinite(moved).all(axis=1))
    if n_bad:
        raise NonFiniteScoreError(level, step, sigma, n_bad, Samples(x, _stacked(kept, x, every)))


def _evaluate(log_prob, score, x):
    return (x, checks.as_array("log_prob(x)", log_prob(x), (len(x),)),
            checks.as_array("score(x, sigma)", score(x, 0.0), x.shape))


def _check_evaluated(log_p, s, step, refused, samples):
    n_bad = np.count_nonzero(~(refused | (np.isfinite(log_p) & np.isfinite(s).all(axis=1))))
    if n_bad:
        raise NonFiniteScoreError(1, step, 0.0, n_bad, samples)


def _stacked(kept, x, every):
    return np.array(kept, x.dtype).reshape(-1, *x.shape) if every else None
