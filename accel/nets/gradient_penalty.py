"""Gradient penalty: how far the slope of a network is from a target, a loss that contains a derivative.

The mathematics is in `reference.nets.gradient_penalty`. Same values; the gradient through the gradient is
written by hand, in four passes over one set of work arrays. Write h₀ = x, aₖ = [bₖ; Wₖ]ᵀ[1; hₖ₋₁], hₖ =
φ(aₖ), f = a_L, all feature-major.

Up, the network itself:                          h₁ … h_{L−1}
Down, the slope (1) of f at each layer:
    u_L = 1,   gₖ₋₁ = Wₖ uₖ,   uₖ = gₖ ⊙ φ′(aₖ)          uₖ = ∂f/∂aₖ,  gₖ = ∂f/∂hₖ,  and g₀ = ∇ₓ f
At the bottom, P (2) depends on the weights through g₀ alone:
    v = ∂P/∂g₀ = (2/N)(‖g₀‖ − c) g₀/‖g₀‖
    dP = ⟨v, dg₀⟩ = d⟨v, ∇ₓ f⟩ with v constant           the gradient of the derivative of f along v
Up again, that directional derivative in forward mode:
    ḣ₀ = v,   ȧₖ = Wₖᵀ ḣₖ₋₁,   ḣₖ = φ′(aₖ) ⊙ ȧₖ,   ⟨v, ∇ₓ f⟩ = ȧ_L
Down again, its reverse: ∂ȧ_L/∂ȧₖ is uₖ, since ȧ is linear in v as f's change is, and āₖ = ∂ȧ_L/∂aₖ collects
    ā_L = 0,   āₖ = φ′(aₖ) ⊙ (Wₖ₊₁ āₖ₊₁)  +  φ″(aₖ) ⊙ ȧₖ ⊙ gₖ          through hₖ, and through φ′(aₖ) in ḣₖ
    dWₖ = ḣₖ₋₁ uₖᵀ + hₖ₋₁ āₖᵀ,   dbₖ = ∑ₙ āₖ

Where φ is piecewise linear, φ″ = 0 and ā = 0: the last pass and the gradients of the biases vanish.

Example
-------
>>> import numpy as np
>>> from accel.nets import gradient_penalty
>>> layers, x = [np.array([[7.0], [3.0], [-4.0]])], np.zeros((2, 2))       # f = 7 + 3x − 4y, of slope 5
>>> float(gradient_penalty.gradient_penalty(layers, x, target=1.0))
16.0
"""
from collections.abc import Sequence

from accel import memory
from accel.device import array_module
from accel.nets import dense
from accel.nets._help import described
from accel.runtime import checks
from accel.runtime.protocols import Array
from accel.runtime.tree import tree_map

__all__ = ["input_gradient", "gradient_penalty", "gradient_penalty_and_grad"]
SHARED = ["Work", "add_gradient"]
__all__ += SHARED

EPSILON = 1e-12


documented = described("""
layers : sequence of (n_in + 1, n_out) float
    f, with one output.
x : (N, D) float
    The points at which the slope is penalised.
target : float
    c.
activation : Activation
    Between the layers of f.
""", raises="If f has several outputs, or x is not (N, D).")


@documented
def input_gradient(layers: Sequence[Array], x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """∇ₓ f(x), (N, D)."""
    x = check_network(layers, x)
    with borrowed(layers, x) as work:
        work.x[...] = x.T
        return slopes(layers, work, activation).T.copy()              # (1)


@documented
def gradient_penalty(layers: Sequence[Array], x: Array, *, target: float = 1.0,
                     activation: dense.Activation = dense.TANH) -> Array:
    """The penalty P (2)."""
    x = check_network(layers, x)
    with borrowed(layers, x) as work:
        work.x[...] = x.T
        _, excess = norm_and_excess(slopes(layers, work, activation), target)
        return array_module(excess).vdot(excess, excess) / len(x)     # (2)


@documented
def gradient_penalty_and_grad(layers: Sequence[Array], x: Array, *, target: float = 1.0,
                              activation: dense.Activation = dense.TANH) -> tuple[Array, list]:
    """P (2), and its gradient, in a list like layers."""
    x, dlayers = check_network(layers, x), tree_map(array_module(layers[0]).zeros_like, layers)
    with borrowed(layers, x) as work:
        work.x[...] = x.T
        return add_gradient(layers, work, dlayers, 1.0, target, activation), dlayers


def check_network(layers, x):
    """x as an array of the width that the network takes; the network must have one output."""
    if layers[-1].shape[1] != 1:
        raise ValueError(f"layers: expected a network with one output, got {layers[-1].shape[1]}")
    return checks.as_array("x", x, ("N", len(layers[0]) - 1))


class Work:
    """The work arrays of one network for N samples, by the names of the derivation: index k goes with hₖ."""

    def __init__(self, xp, shapes, n, dtype):
        self.tape = dense.Tape(xp, shapes, n, dtype)
        self.x = self.tape.inputs[0][1:]
        self.g, self.u, self.hdot, self.slope, self.bend = (
            [xp.empty((n_in - 1, n), dtype) for n_in, _ in shapes] for _ in range(5))
        self.u.append(xp.ones((1, n), dtype))                         # u_L
        self.dlayers = [xp.empty(shape, dtype) for shape in shapes]


def borrowed(layers, x):
    """Work arrays for the layers and as many samples as x (N, D) has."""
    return memory.borrow(Work, array_module(x), dense.shapes_of(layers), len(x), x.dtype)


def slopes(layers, work, activation):
    """The first two passes, for the x in work: ∇ₓ f, (D, N)."""
    xp = array_module(work.x)
    dense.forward(layers, work.tape, activation)
    for k in range(len(layers), 0, -1):
        xp.matmul(layers[k - 1][1:], work.u[k], out=work.g[k - 1])
        if k > 1:
            activation.slope(work.tape.fed[k - 1], out=work.slope[k - 1])
            xp.multiply(work.g[k - 1], work.slope[k - 1], out=work.u[k - 1])
    return work.g[0]


def norm_and_excess(g, target):
    """‖g‖ and ‖g‖ − c for g (D, N), (N,)."""
    norm = (g * g).sum(axis=0)
    norm += EPSILON**2
    array_module(g).sqrt(norm, out=norm)                              # (3)
    return norm, norm - target


def add_gradient(layers, work, dlayers, weight, target, activation):
    """P for the x in work; its gradient, times weight, is added to dlayers."""
    xp, n_layers, n = array_module(work.x), len(layers), work.x.shape[1]
    norm, excess = norm_and_excess(slopes(layers, work, activation), target)
    hdot = xp.multiply(work.g[0], excess / norm * (2 * weight / n), out=work.hdot[0])       # v
    for k in range(1, n_layers + 1):
        dlayers[k - 1][1:] += xp.matmul(hdot, work.u[k].T, out=work.dlayers[k - 1][1:])
        if k < n_layers:
            adot = xp.matmul(layers[k - 1][1:].T, hdot, out=work.hdot[k])
            if activation.curvature is not None:
                bend = activation.curvature(work.tape.fed[k], out=work.bend[k])
                bend *= adot
                bend *= work.g[k]
            hdot = xp.multiply(adot, work.slope[k], out=adot)
    if activation.curvature is not None:
        da = work.bend[-1]
        for k in range(n_layers - 1, 0, -1):
            dlayers[k - 1] += xp.matmul(work.tape.inputs[k - 1], da.T, out=work.dlayers[k - 1])
            if k > 1:
                da = xp.matmul(layers[k - 1][1:], da, out=work.tape.cotangents[k - 1])
                da *= work.slope[k - 1]
                da += work.bend[k - 1]
    return xp.vdot(excess, excess) / n
