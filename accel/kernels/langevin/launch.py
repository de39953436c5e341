"""Langevin dynamics along a score that a kernel knows: which scores these are, and the kernel of a network's, langevin.cu.

A network's score is s(x, σ) = Vᵀ(gain ⊙ F(a ⊙ z′, e) − a² ⊙ z′)/c, where z′ = V(x − m)/c is what the network sees of x. For moves
x ← x + f s(x, σ) + b z all that depends on the level alone is folded into the weights once:

    first layer    b + Wₑᵀe(σ), and x − m times (Vᵀ diag a W)/c
    last layer     each row times diag(gain) V f/c
    A              −Vᵀ diag(a²) V f/c²

in float64, rounded once to the dtype of the chains.
"""
import functools
from typing import NamedTuple

import numpy as np

from accel.kernels import cuda
from accel.device import array_module
from accel.kernels.langevin_mixture import launch as mixture_kernel
from accel.kernels.score import network as layout
from accel.kernels.langevin.walks import Known, Walker

__all__ = ["Network", "known", "network_behind", "walker"]


class Network(NamedTuple):
    """What a score is made of: the network, and the axes V, the mean m and the unit c in which it sees x."""
    layers: list
    spread: np.ndarray
    mean: np.ndarray
    axes: np.ndarray
    scale: float
    tau: np.ndarray


def walker(score, start, moves):
    """The Walker for these chains and moves (σ, f, b), or None where the score is none that the kernels know."""
    if not 0 < len(start) < 2**31:
        return None
    found = known(score, start, moves) or mixture_kernel.known(score, start, moves)
    return found and Walker(array_module(start), moves, found)


def known(score, start, moves):
    """The Known of a network's score for these chains and moves, or None."""
    xp, (n, dim), dtype = array_module(start), start.shape, start.dtype
    network = network_behind(score, dim) if all(sigma > 0 for sigma, _, _ in moves) else None
    if network is None or network.axes.shape != (dim, dim):
        return None
    if network.layers[-1].shape[1] != dim or network.layers[-1].dtype != dtype:
        return None
    fit = layout.fit(xp, dim, layout.widths_of(network.layers), dim, dtype, n)
    return fit and Known(cuda.load("kernels/langevin/langevin.cu", dtype, **fit.constants), fit.tile, fit.threads, fit.shared,
                         folded(xp, network, moves, dtype))


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


def folded(xp, network, moves, dtype):
    """The weights as network.cuh reads them, (moves, n), A, (moves, D, D), and m, (moves, D)."""
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
            xp.ascontiguousarray(xp.broadcast_to(network.mean.astype(dtype), (len(moves), dim))))


def filled(xp, rows, n_moves):
    """Rows (n, width), or (moves, n, width), as one vector for each move, each row filled up with zeros to what threads read at once."""
    out = xp.zeros((n_moves, rows.shape[-2], layout.padded(rows.shape[-1])))
    out[..., :rows.shape[-1]] = rows
    return out.reshape(n_moves, -1)
