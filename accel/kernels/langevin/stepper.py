"""Langevin dynamics in kernels: takes chains through the steps of a run, along any score that a kernel knows.

A run consists of moves x ← x + f s(x, σ) + b z, one kind for each level. A launch takes all chains through
many steps of one kind. If a chain is no longer finite, the launch is repeated up to the step before, so that
all chains end where array code has them.
"""
from typing import NamedTuple

import numpy as np

from accel.kernels.cuda import Kernels
from accel.kernels.philox import launch as philox_kernel
from accel.kernels.plan import LaunchPlan

__all__ = ["Prepared", "Stepper"]

NOISE_AT_ONCE = 1 << 26                                               # numbers that a launch is given


class Prepared(NamedTuple):
    """A score in kernels `walk` and `walk_given`.

    Attributes
    ----------
    kernels : Kernels
    plan : LaunchPlan
        For the chains of the run.
    tables : tuple of (moves, …) arrays
        Row i describes moves of kind i; the kernels take it first.
    """
    kernels: Kernels
    plan: LaunchPlan
    tables: tuple


class Stepper:
    """Takes chains through the steps of a run with moves (σ, f, b)."""

    def __init__(self, xp, moves, prepared):
        self.xp, self.moves, self.prepared, self.bad = xp, moves, prepared, xp.empty(1, np.int32)

    def steps(self, chains, rng, kind, n_steps):
        """n_steps moves of one kind, or those before the first that is not finite."""
        left, good, n = n_steps, 0, 0
        while left and good == n:
            until_kept = chains.every - chains.n_steps % chains.every if chains.every else left
            noise, n = self.noise(chains, rng, kind, min(left, until_kept))
            moved, good = self.launch(chains.x, kind, n, noise)
            if good == n:
                chains.went(moved, n, None)
            else:                                                     # again up to there, and one more
                before = self.launch(chains.x, kind, good, noise)[0] if good else chains.x
                rest = later(noise, good, before.size)
                chains.went(before, good, self.launch(before, kind, 1, rest)[0])
            left -= n

    def launch(self, x, kind, n_steps, noise):
        """The chains after the steps, and the number of steps before the first that is not finite."""
        (kernels, plan, tables), moved, width = self.prepared, self.xp.empty_like(x), self.moves[kind][2]
        self.bad.fill(n_steps)
        kernels("walk_given" if len(noise) == 1 else "walk", plan.blocks, plan.threads,
                *(table[kind] for table in tables), x, moved, self.bad, len(x), n_steps, float(width), *noise,
                shared=plan.shared)
        return moved, int(self.bad[0])

    def noise(self, chains, rng, kind, n):
        """Noise of at most n steps, (seed, block) if the kernel draws it, else (array,), and of how many."""
        if not self.moves[kind][2]:
            return (np.uint64(0), np.uint64(0)), n
        if philox_kernel.inside(rng, self.xp) and rng.dtype == chains.x.dtype:
            return philox_kernel.place(rng, 4 * n * -(-chains.x.size // 4)), n
        n = min(n, max(1, NOISE_AT_ONCE // chains.x.size))
        drawn = self.xp.empty((n, *chains.x.shape), chains.x.dtype)
        for z in drawn:
            z[...] = chains.noise(rng)
        return (drawn,), n


def later(noise, n_steps, size):
    """The noise after n_steps steps of `size` numbers each."""
    if len(noise) == 1:
        return (noise[0][n_steps:],)
    return noise[0], noise[1] + np.uint64(n_steps * -(-size // 4))
