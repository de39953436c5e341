"""What Langevin samplers share: noise levels, the chains that they return, and the error that stops them.

The mathematics is in `reference.generative.langevin_chains`. Same values; `Chains` moves all chains in place,
in arrays that are made once, and no step waits for a device. A flag on the device says whether all numbers
have been finite; once it is false, the chains no longer move. A counter holds the number of steps before
that. The host reads both at the end of each level and every PAUSE steps (on the CPU at every step), and can
then name the step at which a chain failed and return the chains before it.

Example
-------
>>> from accel.generative import score_matching
>>> print(score_matching.noise_levels(10.0, 0.01, 4))
[10.    1.    0.1   0.01]
"""
from typing import NamedTuple

import numpy as np

from accel.device import array_module, to_host
from accel.runtime import checks
from accel.runtime.protocols import Array

__all__ = []
SHARED = ["Samples", "NonFiniteScoreError", "noise_levels", "check_levels", "check_start", "pause", "Chains"]
__all__ += SHARED

PAUSE = 100                                                           # steps between two looks at the flag


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
    """The noise levels as float64 (L,) on the host, or a ValueError unless they are positive and strictly
    decreasing."""
    sigmas = to_host(checks.as_array("sigmas", sigmas, ("L",))).astype(np.float64)
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
    """The start as it is, or a ValueError."""
    x = checks.as_array("start", start, ("N", "D"))
    checks.check_finite("start", x)
    checks.check_count("n_steps", n_steps)
    if every is not None:
        checks.check_count("every", every)
    return x


def pause(xp):
    """The steps between two looks at the flag."""
    return 1 if xp is np else PAUSE


class Chains:
    """The chains x, where the next step takes them, whether all is finite so far; the count of good steps."""

    def __init__(self, start, n_steps, every):
        self.xp = xp = array_module(start)
        self.x, self.moved, self.every = start.copy(), xp.empty_like(start), every
        self.finite, self.n_good = xp.ones((), dtype=bool), xp.zeros((), dtype=np.int64)
        self.good = xp.ones(start.shape, dtype=bool)                  # of the step that failed, from then on
        self.trajectory = xp.empty((n_steps // every, *start.shape), dtype=start.dtype) if every else None
        self.n_steps = 0

    def noise(self, rng):
        return self.xp.asarray(rng.standard_normal(self.x.shape), dtype=self.x.dtype)

    def steps(self, rng, score, move, n_steps):
        """n_steps moves x ← x + f s(x, σ) + b z of one kind (σ, f, b); with b = 0 no z is drawn."""
        xp, (sigma, factor, width) = self.xp, move
        for _ in range(n_steps):
            z = self.noise(rng) if width else None
            s = checks.as_array("score(x, sigma)", score(self.x, sigma), self.x.shape)
            xp.multiply(s, factor, out=self.moved)
            self.moved += self.x
            if width:
                z *= width
                self.moved += z
            good = xp.isfinite(self.moved)
            if xp is np:                                              # every step is looked at
                self.good = good
            else:
                xp.copyto(self.good, good, where=self.finite)
            self.take(good.all())

    def take(self, good, where=None):
        """Accept `moved` in all chains, or where a mask (N, 1) says, if good is true and was true so far."""
        self.finite &= good
        self.n_good += self.finite
        self.xp.copyto(self.x, self.moved, where=self.finite if where is None else where & self.finite)
        self.n_steps += 1
        self.keep()

    def went(self, x, n_good, failed):
        """n_good steps in a kernel led to x, and the next one to `failed`, which is not finite, or None."""
        self.x = x
        self.n_good += n_good
        self.n_steps += n_good
        if failed is None:
            self.keep()
        else:
            self.finite &= False
            self.good = self.xp.isfinite(failed)

    def keep(self):
        if self.every and self.n_steps % self.every == 0:
            k = self.n_steps // self.every
            if 0 < k <= len(self.trajectory):
                self.trajectory[k - 1] = self.x

    def samples(self, n_good, accepted=None):
        """The Samples after n_good steps."""
        kept = None if self.trajectory is None else self.trajectory[:n_good // self.every]
        return Samples(self.x, kept, None if accepted is None else accepted / max(1, n_good))
