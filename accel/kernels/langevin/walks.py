"""Langevin dynamics in kernels: how chains are taken through the steps of a walk, along any score that a kernel knows.

A walk is made of moves x ← x + f s(x, σ) + b z, one kind for each level. A launch takes all chains through many steps of one kind.
Where a chain stops being finite it is run again up to the step before, so that all end where array code has them.
"""
from typing import NamedTuple

import numpy as np

from accel.kernels.philox import launch as philox_kernel
from accel.kernels.cuda import Kernels

__all__ = ["Known", "Walker"]

NOISE_AT_ONCE = 1 << 26                                               # numbers of noise that a launch is given, where it cannot draw them


class Known(NamedTuple):
    """A score in kernels `walk` and `walk_given`: the chains and threads of a block, its shared memory, and tables that describe each
    kind of move by a row, which the kernels take first."""
    kernels: Kernels
    tile: int
    threads: int
    shared: int
    tables: tuple


class Walker:
    """Takes chains through the steps of a walk, of the kinds `moves`, (σ, f, b) each."""

    def __init__(self, xp, moves, known):
        self.xp, self.moves, self.known, self.bad = xp, moves, known, xp.empty(1, np.int32)

    def walk(self, chains, rng, level, n_steps):
        """As many steps of one kind of move; the chains then know how many were good."""
        left, good, n = n_steps, 0, 0
        while left and good == n:
            until_kept = chains.every - chains.n_steps % chains.every if chains.every else left
            noise, n = self.noise(chains, rng, level, min(left, until_kept))
            moved, good = self.launch(chains.x, level, n, noise)
            if good == n:
                chains.went(moved, n, None)
            else:                                                     # once more, up to where all was good, and one step further
                before = self.launch(chains.x, level, good, noise)[0] if good else chains.x
                chains.went(before, good, self.launch(before, level, 1, later(noise, good, before.size))[0])
            left -= n

    def launch(self, x, level, n_steps, noise):
        """Where the chains are after the steps, and the number of steps before the first of them was not finite."""
        known, moved, (_, _, width) = self.known, self.xp.empty_like(x), self.moves[level]
        self.bad.fill(n_steps)
        known.kernels("walk_given" if len(noise) == 1 else "walk", -(-len(x) // known.tile), known.threads,
                      *(table[level] for table in known.tables), x, moved, self.bad, len(x), n_steps, float(width), *noise,
                      shared=known.shared)
        return moved, int(self.bad[0])

    def noise(self, chains, rng, level, n):
        """The noise of the next n steps, as seed and block where rng counts and the kernel draws, or else, perhaps of fewer steps, as an
        array; and of how many steps."""
        if not self.moves[level][2]:
            return (np.uint64(0), np.uint64(0)), n
        if philox_kernel.inside(rng, self.xp) and rng.dtype == chains.x.dtype:
            return philox_kernel.place(rng, 4 * n * -(-chains.x.size // 4)), n
        drawn = self.xp.empty((min(n, max(1, NOISE_AT_ONCE // chains.x.size)), *chains.x.shape), chains.x.dtype)
        for z in drawn:
            z[...] = chains.noise(rng)
        return (drawn,), len(drawn)


def later(noise, n_steps, size):
    """What is left of the noise behind so many steps of `size` numbers each."""
    return (noise[0][n_steps:],) if len(noise) == 1 else (noise[0], noise[1] + np.uint64(n_steps * -(-size // 4)))
