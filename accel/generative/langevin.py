"""Langevin dynamics: samples of a density of which only the score s = ∇ log p is known.

The mathematics is in `reference.generative.langevin`. Same values; all chains move in place, in arrays allocated once, and no
step waits for a device. Whether all was finite so far is a flag that stays there and holds the chains where they were once it
has fallen, beside a count of the good steps. The host reads the two at the end of each level and every PAUSE steps (on the CPU
at every step), and then still knows at which step it was, and returns the chains as they were before it.

On a device, where the score is a fitted network's (`ScoreModel.score`, or a `partial` of `score_matching.score`) or a mixture's (a
`partial` of `mixture_score.score`), one kernel takes all chains through all steps between two such looks, score, noise and all.
"""
import math
from typing import NamedTuple

import numpy as np

from accel.kernels import cuda
from accel.runtime import checks
from accel.runtime.progress import progress_bar
from accel.device import array_module, to_host
from accel.kernels.langevin import launch as langevin_kernel

__all__ = ["Samples", "NonFiniteScoreError", "unadjusted", "metropolis", "annealed"]

PAUSE = 100                                                           # steps between two looks at the flag of a device


class Samples(NamedTuple):
    """Where the chains are, what was kept of their way, and the share of proposals that each has taken."""
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
    """Plain Langevin dynamics along the score of one noise level."""
    sigma = checks.check_positive("sigma", sigma) if sigma else 0.0
    levels = [(sigma, checks.check_positive("step_size", step_size))]
    return _walk(rng, score, start, levels, n_steps, False, every, progress)


def annealed(rng, score, start, *, sigmas, step_size, n_steps, denoise=False, every=None, progress=False):
    """Annealed Langevin dynamics, from the most to the least noise."""
    sigmas, step_size = check_levels(sigmas), checks.check_positive("step_size", step_size)
    levels = [(float(sigma), step_size * float(sigma / sigmas[-1])**2) for sigma in sigmas]
    return _walk(rng, score, start, levels, n_steps, denoise, every, progress)


class Chains:
    """The chains x, where a step would take them, whether all has been finite, and how many steps were good."""

    def __init__(self, start, n_steps, every):
        self.xp = xp = array_module(start)
        self.x, self.moved, self.every = start.copy(), xp.empty_like(start), every
        self.finite, self.n_good = xp.ones((), dtype=bool), xp.zeros((), dtype=np.int64)
        self.good = xp.ones(start.shape, dtype=bool)
        self.trajectory = xp.empty((n_steps // every, *start.shape), dtype=start.dtype) if every else None
        self.n_steps = 0

    def noise(self, rng):
        return self.xp.asarray(rng.standard_normal(self.x.shape), dtype=self.x.dtype)

    def drift(self, score, sigma, factor):
        """moved = x + factor · s(x, σ)."""
        s = checks.as_array("score(x, sigma)", score(self.x, sigma), self.x.shape)
        self.xp.multiply(s, factor, out=self.moved)
        self.moved += self.x

    def take(self, good, where=None):
        """Go where moved is (all chains, or where a mask (N, 1) says), if good and all before was."""
        self.finite &= good
        self.n_good += self.finite
        self.xp.copyto(self.x, self.moved, where=self.finite if where is None else where & self.finite)
        self.n_steps += 1
        self.keep()

    def went(self, x, n_good, failed):
        """n_good steps, taken elsewhere, led to x; and the next one to `failed`, which is not finite, or None."""
        self.x = x
        self.n_good += n_good
        self.n_steps += n_good
        if failed is None:
            self.keep()
        else:
            self.finite &= False
            self.good = self.xp.isfinite(failed)

    def keep(self):
        if self.every and self.n_steps % self.every == 0 and 0 < self.n_steps // self.every <= len(self.trajectory):
            self.trajectory[self.n_steps // self.every - 1] = self.x

    def samples(self, n_good, taken=None):
        """What there is after n_good steps."""
        kept = None if self.trajectory is None else self.trajectory[:n_good // self.every]
        return Samples(self.x, kept, None if taken is None else taken / max(1, n_good))

    def walk(self, rng, score, move, n_steps):
        """Steps x ← x + f s(x, σ) + b z of one kind of move (σ, f, b); the last, which takes the noise away, has b = 0 and no z."""
        sigma, factor, width = move
        for _ in range(n_steps):
            z = self.noise(rng) if width else None
            self.drift(score, sigma, factor)
            if width:
                z *= width
                self.moved += z
            good = self.xp.isfinite(self.moved)
            if self.xp is np:                                         # where every step is looked at
                self.good = good
            else:
                self.xp.copyto(self.good, good, where=self.finite)    # of the step that failed, from then on
            self.take(good.all())


def _walk(rng, score, start, levels, n_steps, denoise, every, progress):
    start = _check_start(start, n_steps, every)
    chains, bar = Chains(start, len(levels) * n_steps, every), progress_bar(progress, len(levels) * n_steps, unit="step")
    moves = [(sigma, 0.5 * alpha, math.sqrt(alpha)) for sigma, alpha in levels]
    if denoise:
        moves.append((levels[-1][0], levels[-1][0]**2, 0.0))
    walker, pause = langevin_kernel.walker(score, start, moves) if cuda.wanted(chains.xp) else None, 1 if chains.xp is np else PAUSE
    try:
        for kind, move in enumerate(moves):
            for done in range(0, n_steps if move[2] else 1, pause):
                n = min(pause, n_steps - done) if move[2] else 1
                if walker is None:
                    chains.walk(rng, score, move, n)
                else:
                    walker.walk(chains, rng, kind, n)
                _check_walked(chains, levels, n_steps, move[0])
                bar.update(n if move[2] else 0)
    finally:
        bar.close()
    return chains.samples(len(levels) * n_steps)


def metropolis(rng, log_prob, score, start, *, step_size, n_steps, every=None, progress=False):
    """Metropolis-adjusted Langevin (MALA): exact at any step size, for a density that is known up to a factor."""
    step_size = checks.check_positive("step_size", step_size)
    start = _check_start(start, n_steps, every)
    xp, chains, bar = array_module(start), Chains(start, n_steps, every), progress_bar(progress, n_steps, unit="step")
    log_p, s = (value.copy() for value in _evaluate(log_prob, score, start))
    taken, pause, refused = xp.zeros(len(start), dtype=start.dtype), 1 if xp is np else PAUSE, xp.zeros(len(start), dtype=bool)
    good = _finite_rows(log_p, s)
    chains.finite &= good.all()
    _check_proposed(chains, good, taken, at_start=True)
    back, below_one = xp.empty_like(start), 1 - float(np.finfo(start.dtype).epsneg)       # what float32 rounds a draw up to is 1
    try:
        for step in range(1, n_steps + 1):
            z = chains.noise(rng)
            xp.multiply(s, 0.5 * step_size, out=chains.moved)
            chains.moved += chains.x
            chains.moved += math.sqrt(step_size) * z
            log_p_new, s_new = _evaluate(log_prob, score, chains.moved)
            xp.equal(log_p_new, -math.inf, out=refused)
            xp.subtract(chains.moved, chains.x, out=back)
            back += 0.5 * step_size * xp.where(refused[:, None], 0, s_new)
            log_ratio = log_p_new - log_p
            log_ratio += 0.5 * xp.square(z, out=z).sum(axis=1)
            log_ratio -= xp.square(back, out=back).sum(axis=1) / (2 * step_size)
            u = xp.minimum(xp.asarray(rng.random(len(start)), dtype=start.dtype), below_one)
            xp.copyto(good, refused | _finite_rows(log_p_new, s_new), where=chains.finite)       # of the step that failed, from then on
            take = xp.log1p(-u) < log_ratio
            chains.take(good.all(), where=take[:, None])
            take &= chains.finite
            xp.copyto(s, s_new, where=take[:, None])
            xp.copyto(log_p, log_p_new, where=take)
            taken += take
            if step % pause == 0 or step == n_steps:
                _check_proposed(chains, good, taken)
            bar.update(1)
    finally:
        bar.close()
    return chains.samples(n_steps, taken)


def check_levels(sigmas):
    """The noise levels as float64 (L,) on the host, or a ValueError unless they are positive and strictly decreasing."""
    sigmas = to_host(checks.as_array("sigmas", sigmas, ("L",))).astype(np.float64)
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
    return x


def _check_walked(chains, levels, n_steps, sigma):
    if not bool(chains.finite):
        n_good = int(chains.n_good)
        level = min(n_good // n_steps, len(levels) - 1)
        n_bad = int((~chains.good.all(axis=1)).sum())
        raise NonFiniteScoreError(level + 1, n_good - level * n_steps + 1, sigma, n_bad, chains.samples(n_good))


def _evaluate(log_prob, score, x):
    return (checks.as_array("log_prob(x)", log_prob(x), (len(x),)), checks.as_array("score(x, sigma)", score(x, 0.0), x.shape))


def _finite_rows(log_p, s):
    xp = array_module(s)
    return xp.isfinite(log_p) & xp.isfinite(s).all(axis=1)


def _check_proposed(chains, good, taken, *, at_start=False):
    if not bool(chains.finite):
        n_good = int(chains.n_good)
        raise NonFiniteScoreError(1, 0 if at_start else n_good + 1, 0.0, int((~good).sum()), chains.samples(n_good, taken))
