"""Langevin dynamics along a score that a kernel knows: which kernel, and the tables of langevin.cu.

The score says itself what it computes (`kernels.score.form`). That of a network is

    s(x, σ) = Vᵀ(g ⊙ F(a ⊙ z′, e(σ)) − a² ⊙ z′)/c,   z′ = V(x − m)/c

For moves x ← x + f s(x, σ) + b z all that depends on the level alone is folded into the weights once, in
float64, and rounded to the dtype of the chains:

    first layer    b + Wₑᵀe(σ), and x − m times (Vᵀ diag a W)/c
    last layer     each row times diag(g) V f/c
    A              −Vᵀ diag(a²) V f/c²
"""
import numpy as np

from accel.device import array_module
from accel.kernels import cuda
from accel.kernels.langevin.stepper import Prepared, Stepper
from accel.kernels.langevin_mixture import launch as mixture_kernel
from accel.kernels.score import layout
from accel.kernels.score.form import Mixture, Network, form_of

__all__ = ["prepared", "stepper"]


def stepper(score, start, moves):
    """The Stepper of these chains and moves (σ, f, b), or None where no kernel knows the score."""
    if not 0 < len(start) < 2**31:
        return None
    form = form_of(score)
    prepare = {Network: prepared, Mixture: mixture_kernel.prepared}.get(type(form))
    found = prepare and prepare(form, start, moves)
    return found and Stepper(array_module(start), moves, found)


def prepared(network, start, moves):
    """A network's score for these chains and moves, or None."""
    xp, (n, dim), dtype, last = array_module(start), start.shape, start.dtype, network.layers[-1]
    if array_module(last) is not xp or last.dtype != dtype or last.shape[1] != dim:
        return None
    if not all(sigma > 0 for sigma, _, _ in moves):
        return None
    if network.axes is not None and network.axes.shape != (dim, dim):
        return None
    widths = layout.widths_of(network.layers)
    plan = layout.plan(xp, dim, widths, dim, dtype, n)
    if plan is None:
        return None
    kernels = cuda.load("kernels/langevin/langevin.cu", dtype, **layout.compiled(dim, widths, dim, plan))
    return Prepared(kernels, plan, folded(xp, network, moves, dtype))


def folded(xp, network, moves, dtype):
    """The weights as score_network.cuh reads them, (moves, n), A, (moves, D, D), and m, (moves, D)."""
    layers = [layer.astype(np.float64) for layer in network.layers]
    last, dim = layers[-1], layers[-1].shape[1]
    sigma, factor = (xp.asarray([move[i] for move in moves]).reshape(-1, 1) for i in (0, 1))
    sigma = sigma / network.scale
    spread = xp.asarray(network.spread, dtype=np.float64)
    tau2 = xp.asarray(np.asarray(network.tau, np.float64)**2)
    axes = xp.eye(dim) if network.axes is None else network.axes
    mean = xp.zeros(dim) if network.mean is None else network.mean
    turn = axes.T.astype(np.float64) / network.scale                  # from z′ to x
    a = 1 / xp.sqrt(spread**2 + sigma**2) * xp.ones(dim)
    gain = spread * a * xp.sqrt(a / sigma)
    embedded = 1 - 2 * tau2 / (sigma**2 + tau2)
    back = turn * (factor * gain)[:, None]                            # (moves, D, D)
    bias = layers[0][0] + embedded @ layers[0][1 + dim:]
    first = xp.concatenate((bias[:, None], (turn * a[:, None]) @ layers[0][1:1 + dim]), axis=1)
    rows = (first, *layers[1:-1], (back @ last[0])[:, None], back @ last[1:].T)
    packed = xp.concatenate([filled(xp, each, len(moves)) for each in rows], axis=1)
    linear = (turn * (-factor * a * a)[:, None]) @ turn.T
    return (packed.astype(dtype), xp.ascontiguousarray(linear.astype(dtype)),
            xp.ascontiguousarray(xp.broadcast_to(mean.astype(dtype), (len(moves), dim))))


def filled(xp, rows, n_moves):
    """Rows (n, width) or (moves, n, width), padded with zeros to whole units, as one vector for each move."""
    out = xp.zeros((n_moves, rows.shape[-2], layout.padded(rows.shape[-1])))
    out[..., :rows.shape[-1]] = rows
    return out.reshape(n_moves, -1)
