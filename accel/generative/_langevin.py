"""Langevin dynamics along a score network inside one kernel: launches _langevin.cu.

A walk is made of moves x ← x + f s(x, σ) + b z, one kind for each level. With s(x, σ) = Vᵀ(gain ⊙ F(w, e) − a² ⊙ z′)/c, where
z′ = V(x − m)/c is what the network sees of x and w = a ⊙ z′, all that depends on the level alone is folded into the weights once:

    first layer    b + Wₑᵀe(σ), and x − m times (Vᵀ diag a W)/c
    last layer     each row times diag(gain) V f/c
    A              −Vᵀ diag(a²) V f/c²

in float64, rounded once to the dtype of the chains. A launch takes all chains through many steps of one kind of move. Where a
chain stops being finite it is run again up to the step before, so that it ends where array code does.
"""
import functools
from typing import NamedTuple

import numpy as np

from accel.core import _counter, _kernels
from accel.device import array_module
from accel.generative import _network

__all__ = ["Network", "Walker", "network_behind", "walker"]

NOISE_AT_ONCE = 1 << 26                                               # numbers of noise that a launch is given, where it cannot draw them


class Network(NamedTuple):
    """What a score is made of: the network, and the axes V, the mean m and the unit c in which it sees x."""
    layers: list
    spread: np.ndarray
    mean: np.ndarray
    axes: np.ndarray
    scale: float
    tau: np.ndarray


def network_behind(score, dim):
    """The Network of a score that is a ScoreModel's, or a `partial` of `score_matching.score` with its parameters; else None."""
    from accel.generative import score_matching
    if getattr(score, "__func__", None) is score_matching.ScoreModel.score:
        axes, scale, layers = score.__self__.axes, score.__self__.scale, score.__self__.params["layers"]
        spread = array_module(axes.mean).sqrt(axes.explained_variance) / scale
        return Network(layers, spread, axes.mean, axes.components, scale, score_matching.TAU)
    if isinstance(score, functools.partial) and score.func is score_matching.score and len(score.args) == 1 \
            and set(score.keywords) <= {"spread"}:
        layers = score.args[0]["layers"]
        xp = array_module(layers[0])
        return Network(layers, score.keywords.get("spread", 1.0), xp.zeros(dim), xp.eye(dim), 1.0, score_matching.TAU)
    return None


def walker(score, start, moves):
    """The Walker for these chains and moves (σ, f, b), or None where the score is no network that the kernels serve."""
    xp, (n, dim) = array_module(start), start.shape
    network = network_behind(score, dim) if n and all(sigma > 0 for sigma, _, _ in moves) else None
    if network is None or network.axes.shape != (dim, dim):
        return None
    if network.layers[-1].shape[1] != dim or network.layers[-1].dtype != start.dtype:
        return None
    fit = _network.fit(xp, dim, _network.widths_of(network.layers), dim, start.dtype, n)
    return None if fit is None else Walker(xp, network, fit, start.dtype, moves)


class Walker:
    """Takes chains through the steps of a walk."""

    def __init__(self, xp, network, fit, dtype, moves):
        self.xp, self.fit, self.moves = xp, fit, moves
        self.kernels = _kernels.load("generative/_langevin.cu", dtype, **fit.constants)
        self.packed, self.linear, self.mean = folded(xp, network, moves, dtype)
        self.bad = xp.empty(1, np.int32)

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
        moved, (_, _, width) = self.xp.empty_like(x), self.moves[level]
        self.bad.fill(n_steps)
        self.kernels("walk_given" if len(noise) == 1 else "walk", -(-len(x) // self.fit.tile), self.fit.threads, self.packed[level],
                     self.linear[level], self.mean, x, moved, self.bad, len(x), n_steps, float(width), *noise, shared=self.fit.shared)
        return moved, int(self.bad[0])

    def noise(self, chains, rng, level, n):
        """The noise of the next n steps, as seed and block where rng counts and the kernel draws, or else, perhaps of fewer steps, as an
        array; and of how many steps."""
        if not self.moves[level][2]:
            return (np.uint64(0), np.uint64(0)), n
        if _counter.inside(rng, self.xp) and rng.dtype == chains.x.dtype:
            return _counter.place(rng, 4 * n * -(-chains.x.size // 4)), n
        drawn = self.xp.empty((min(n, max(1, NOISE_AT_ONCE // chains.x.size)), *chains.x.shape), chains.x.dtype)
        for z in drawn:
            z[...] = chains.noise(rng)
        return (drawn,), len(drawn)


def later(noise, n_steps, size):
    """What is left of the noise behind so many steps of `size` numbers each."""
    return (noise[0][n_steps:],) if len(noise) == 1 else (noise[0], noise[1] + np.uint64(n_steps * -(-size // 4)))


def folded(xp, network, moves, dtype):
    """The weights as _network.cuh reads them, (moves, n), and A, (moves, D, D), for each kind of move; and m."""
    layers = [layer.astype(np.float64) for layer in network.layers]
    sigma, factor = (xp.asarray([move[i] for move in moves]).reshape(-1, 1) for i in (0, 1))
    sigma = sigma / network.scale
    spread, tau2 = (xp.asarray(value, dtype=np.float64) for value in (network.spread, network.tau**2))
    turn = network.axes.T.astype(np.float64) / network.scale                                          # Vᵀ/c, from z to x
    dim, last = len(turn), layers[-1]
    a = 1 / xp.sqrt(spread**2 + sigma**2) * xp.ones(dim)
    gain = spread * a * xp.sqrt(a / sigma)
    told = 1 - 2 * tau2 / (sigma**2 + tau2)
    back = turn * (factor * gain)[:, None]                                                            # (moves, D, D)
    first = xp.concatenate(((layers[0][0] + told @ layers[0][1 + dim:])[:, None], (turn * a[:, None]) @ layers[0][1:1 + dim]), axis=1)
    packed = [filled(xp, rows, len(moves)) for rows in (first, *layers[1:-1], (back @ last[0])[:, None], back @ last[1:].T)]
    linear = (turn * (-factor * a * a)[:, None]) @ turn.T
    return (xp.concatenate(packed, axis=1).astype(dtype), xp.ascontiguousarray(linear.astype(dtype)),
            xp.ascontiguousarray(network.mean.astype(dtype)))


def filled(xp, rows, n_moves):
    """Rows (n, width), or (moves, n, width), as one vector for each move, each row filled up with zeros to what threads read at once."""
    out = xp.zeros((n_moves, rows.shape[-2], _network.padded(rows.shape[-1])))
    out[..., :rows.shape[-1]] = rows
    return out.reshape(n_moves, -1)
