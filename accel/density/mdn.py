"""Mixture density network: a network of the context that answers with a whole mixture of normal densities.

The mathematics is in `reference.density.mdn`. Same values; the heads are gathered in one matrix, so that
network and heads are one chain of products, and everything behind it is feature-major, (D, K, N), in borrowed
work arrays. A sample asks the network once for each row of the context, however many draws are wanted.

Backward, from loss = −mean(log ∑ₖ exp ℓₖ), ℓₖ = log πₖ − ½ ‖rₖ‖² − ∑ sₖ − …, with the responsibilities ρₖ =
exp(ℓₖ − log p):

    dℓ  = −ρ/N
    dα  = (π − ρ)/N                             through log π = α − log ∑ exp α, since ∑ ρ = 1
    dr  = ρ r/N                                 from −½ ‖r‖²
    ds  = (ρ/N) (1 − r²)                        from −∑ s, and from r = e^{−s} w
    da  = ds ⊙ (1 − tanh²(a/S))                 from s = S tanh(a/S)
    dw  = dr ⊙ e^{−s}                           w = (I + L) d,  d = x − μ
    dLᵢⱼ = dwᵢ dⱼ
    dd  = dw + Lᵀ dw,   dμ = −dd

and (dα, dμ, da, dL) go back through heads and network, to the context where it is asked for.

Example
-------
>>> import numpy as np
>>> from accel.density import mdn
>>> params = mdn.init_params(np.random.default_rng(0), dim=2, context_dim=1, n_components=3, hidden=(8,))
>>> mdn.components(params, np.array([[0.5]])).weights.round(4)              # starts with equal weights
array([[0.3333, 0.3333, 0.3333]])
"""
import contextlib
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from accel.nets import dense
from accel.runtime import checks
from accel.runtime._blocks import blocks
from accel.runtime._vector import bound, empty_like, plain
from accel.runtime.protocols import Array, Params, Rng
from accel.density import flows
from accel.density._help import documented
from accel import memory
from accel.device import array_module

__all__ = ["Covariance", "FULL", "DIAGONAL", "Components", "init_params", "components", "log_prob",
           "log_prob_and_grad", "sample", "loss", "loss_and_grad"]
SHARED = ["write_grads"]
__all__ += SHARED

S = 7.0


class Covariance(NamedTuple):
    """What the covariances may be: how many numbers L holds in D dimensions."""
    name: str
    n_couplings: Callable


FULL = Covariance("full", lambda dim: dim * (dim - 1) // 2)
DIAGONAL = Covariance("diagonal", lambda dim: 0)


class Components(NamedTuple):
    """The mixture for each row of the context: weights (N, K), means (N, K, D), covariances (N, K, D, D).

    Attributes
    ----------
    weights : (N, K) float
    means : (N, K, D) float
    covariances : (N, K, D, D) float
    """
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def init_params(rng: Rng, *, dim: int, context_dim: int = 0, n_components: int = 8,
                hidden: tuple = (50, 50), covariance: Covariance = FULL) -> Params:
    """Network weights N(0, 1/n_in); heads of zeros, but for means that start as N(0, I) so that no two
    components are alike.

    Parameters
    ----------
    rng : Generator
    dim, context_dim, n_components : int
        D, C and K.
    hidden : tuple of int
        Units of each hidden layer; empty for heads that are affine in the context.
    covariance : Covariance
        FULL or DIAGONAL.

    Raises
    ------
    ValueError
        If a number is no count, or the covariance neither of the two.
    """
    for name, value, least in (("dim", dim, 1), ("context_dim", context_dim, 0),
                               ("n_components", n_components, 1)):
        checks.check_count(name, value, least=least)
    if covariance not in (FULL, DIAGONAL):
        raise ValueError(f"covariance: expected FULL or DIAGONAL, got {covariance!r}")
    sizes = (context_dim, *hidden) if context_dim else (0,)
    layers, n_couplings, n_in = dense.init_mlp(rng, sizes), covariance.n_couplings(dim), sizes[-1] + 1
    start = rng.standard_normal((dim, n_components))
    shapes = {"weights": (n_in, n_components), "means": (n_in, dim, n_components),
              "widths": (n_in, dim, n_components)}
    shapes |= {"couplings": (n_in, n_couplings, n_components)} if n_couplings else {}
    heads = {name: array_module(start).zeros(shape, dtype=start.dtype) for name, shape in shapes.items()}
    heads["means"][0] = start
    return {"layers": layers, "heads": heads}


def sizes_of(params):
    """D and C, from the shapes of the parameters."""
    heads, layers = params["heads"], params["layers"]
    return heads["means"].shape[1], len(layers[0] if layers else heads["weights"]) - 1


def below(i):
    """Where the couplings Lᵢⱼ, j < i, stand among all."""
    return slice(i * (i - 1) // 2, i * (i + 1) // 2)


class Work:
    """The work arrays for n columns: the tape of network and heads, and what (3) to (7) make of its outputs.

    layers and heads are the shapes of the network's layers and of the heads; heads is also the matrix that
    holds all of them.
    """

    def __init__(self, xp, layers, heads, n, dtype):
        _, dim, n_components = heads[1]
        self.sizes = [math.prod(shape[1:]) for shape in heads]
        self.heads, self.dheads = (xp.empty((heads[0][0], sum(self.sizes)), dtype) for _ in range(2))
        self.tape = dense.Tape(xp, (*layers, self.heads.shape), n, dtype)
        self.dout = xp.empty_like(self.tape.out)
        (self.alpha, self.mu, self.a, *coupling), (self.dalpha, self.dmu, self.da, *dcoupling) = (
            [rows.T.reshape(*shape[1:], n) for rows, shape in zip(split(out.T, self.sizes), heads)]
            for out in (self.tape.out, self.dout))
        self.coupling, self.dcoupling = (coupling[0], dcoupling[0]) if coupling else (None, None)
        self.bound, self.s, self.shrink, self.d, self.r, self.room = (xp.empty((dim, n_components, n), dtype)
                                                                      for _ in range(6))
        self.log_pi, self.joint = (xp.empty((n_components, n), dtype) for _ in range(2))


def split(matrix, sizes):
    """The columns that belong to each head, one view after another."""
    ends = np.cumsum(sizes).tolist()
    return [matrix[:, start:end] for start, end in zip([0, *ends], ends)]


@contextlib.contextmanager
def work_for(params, n, context):
    """Borrowed work for n columns, with the layers, the heads in one matrix and the context in place."""
    xp, layers, heads = array_module(params.flat), params["layers"], list(params["heads"].values())
    with memory.borrow(Work, xp, dense.shapes_of(layers), dense.shapes_of(heads), n,
                       params.flat.dtype) as work:
        xp.concatenate([head.reshape(len(head), -1) for head in heads], axis=1, out=work.heads)
        if context is not None:
            work.tape.inputs[0][1:] = context.T
        yield work, [*layers, work.heads]


def mixture(layers, work):
    """log π, μ, s and L of (2) to (4), into work."""
    xp = array_module(work.s)
    dense.forward(layers, work.tape)
    xp.subtract(work.alpha, work.alpha.max(axis=0), out=work.log_pi)
    work.log_pi -= xp.log(xp.exp(work.log_pi).sum(axis=0))
    xp.multiply(work.a, 1 / S, out=work.bound)
    xp.tanh(work.bound, out=work.bound)
    xp.multiply(work.bound, S, out=work.s)


def evaluate(layers, work, x):
    """log p(x|c), (n,), for x (D, n); the responsibilities stay in work.joint."""
    xp = array_module(work.s)
    mixture(layers, work)
    xp.subtract(x[:, None], work.mu, out=work.d)
    xp.negative(work.s, out=work.shrink)
    xp.exp(work.shrink, out=work.shrink)
    work.r[...] = work.d
    if work.coupling is not None:
        for i in range(1, len(x)):
            xp.multiply(work.coupling[below(i)], work.d[:i], out=work.room[:i])
            work.r[i] += work.room[:i].sum(axis=0)
    work.r *= work.shrink
    xp.multiply(work.r, work.r, out=work.room)
    work.room *= -0.5
    work.room -= work.s
    joint = xp.sum(work.room, axis=0, out=work.joint)
    joint += work.log_pi
    top = joint.max(axis=0)
    joint -= top
    xp.exp(joint, out=joint)
    total = joint.sum(axis=0)
    joint /= total
    return top + xp.log(total) - 0.5 * len(x) * math.log(2 * math.pi)


@documented
def log_prob(params: Params, x: Array, context: Array | None = None) -> Array:
    """log p(x|c) in nats, (N,)."""
    params = bound(params)
    x, context = flows.inputs(params, x, context, *sizes_of(params))
    xp = array_module(params.flat)
    log_p = xp.empty(len(x), params.flat.dtype)
    for rows in blocks(len(x), xp, cpu=flows.COLUMNS, device=flows.COLUMNS_ON_DEVICE):
        with work_for(params, len(x[rows]), None if context is None else context[rows]) as (work, layers):
            log_p[rows] = evaluate(layers, work, xp.asarray(x[rows], dtype=log_p.dtype).T)
    return log_p


@documented
def log_prob_and_grad(params: Params, x: Array,
                      context: Array | None = None) -> tuple[Array, Array, Array | None]:
    """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None without a context."""
    params = bound(params)
    x, context = flows.inputs(params, x, context, *sizes_of(params))
    with work_for(params, len(x), context) as (work, layers):
        value = evaluate(layers, work, x.T)
        dcontext = walk_back(layers, work, -1, None, need_dinput=True)
        return value, -work.dmu.sum(axis=1).T, None if context is None else dcontext.T.copy()


def components(params: Params, context: Array | None = None) -> Components:
    """The weights, means and covariances for each row of the context (N, C); one row where there is none.

    Parameters
    ----------
    params : tree
        From `init_params`, or trained.
    context : (N, C) float, optional
        What it is conditioned on.
    """
    params = bound(params)
    dim, context_dim = sizes_of(params)
    n = 1 if context is None else len(context)
    xp, dtype = array_module(params.flat), params.flat.dtype
    context = flows.inputs(params, xp.zeros((n, dim), dtype), context, dim, context_dim)[1]
    with work_for(params, n, context) as (work, layers):
        mixture(layers, work)
        factor = xp.zeros((*work.log_pi.shape, dim, dim), dtype)
        for i in range(dim):
            factor[..., i, i] = 1
            if work.coupling is not None and i:
                factor[..., i, :i] = work.coupling[below(i)].transpose(1, 2, 0)
        spread = xp.linalg.inv(factor) * xp.exp(work.s).transpose(1, 2, 0)[..., None, :]
        covariances = spread @ spread.transpose(0, 1, 3, 2)
        return Components(xp.exp(work.log_pi.T), work.mu.transpose(2, 1, 0).copy(),
                          covariances.transpose(1, 0, 2, 3).copy())


@documented
def sample(params: Params, rng: Rng, n: int, context: Array | None = None) -> Array:
    """n draws, (n, D); with a context of M rows, n draws for each: (M, n, D)."""
    params = bound(params)
    dim, context_dim = sizes_of(params)
    flows.check_place(params, context=context)
    r, _, shape = flows.draw_base(rng, n, dim, context_dim, context)
    xp, dtype, m = array_module(params.flat), params.flat.dtype, 1 if context is None else len(context)
    u, r = (xp.asarray(a, dtype=dtype) for a in (rng.random(len(r)), r))
    u, r = u.reshape(m, n), r.reshape(m, n, dim)
    with work_for(params, m, context) as (work, layers):
        mixture(layers, work)
        rows, k = xp.arange(m)[:, None], xp.zeros((m, n), dtype=np.int64)
        for edge in xp.cumsum(xp.exp(work.log_pi), axis=0)[:-1]:
            k += u >= edge[:, None]
        d = xp.exp(work.s)[:, k, rows] * r.transpose(2, 0, 1)
        if work.coupling is not None:
            for i in range(1, dim):
                d[i] -= (work.coupling[below(i)][:, k, rows] * d[:i]).sum(axis=0)
        d += work.mu[:, k, rows]
        return d.transpose(1, 2, 0).reshape(shape)


@documented
def loss(params: Params, x: Array, context: Array | None = None) -> Array:
    """The mean negative log-density, in nats."""
    return -log_prob(params, x, context).mean()


@documented
def loss_and_grad(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    grads = empty_like(params)
    return write_grads(params, grads, x, context), plain(grads)


def write_grads(params, grads, x, context=None, dcontext=None):
    """The loss; its gradient goes into grads and, where it is given, the context's into dcontext, (C, N)."""
    params = bound(params)
    x, context = flows.inputs(params, x, context, *sizes_of(params))
    with work_for(params, len(x), context) as (work, layers):
        value, n = -evaluate(layers, work, x.T).mean(), len(x)
        dinput = walk_back(layers, work, 1 / n, [*grads["layers"], work.dheads],
                           need_dinput=dcontext is not None)
        for head, columns in zip(grads["heads"].values(), split(work.dheads, work.sizes)):
            head[...] = columns.reshape(head.shape)
        if dcontext is not None:
            dcontext[...] = dinput
    return value


def walk_back(layers, work, scale, dlayers, *, need_dinput):
    """The gradients of −scale ∑ₙ log p, from what evaluate left: into dlayers, unless that is None;
    returns the context's, (C, n).
    """
    xp = array_module(work.s)
    work.joint *= scale
    xp.exp(work.log_pi, out=work.dalpha)
    work.dalpha *= scale
    work.dalpha -= work.joint
    xp.multiply(work.r, work.r, out=work.da)
    xp.subtract(1, work.da, out=work.da)
    work.da *= work.joint
    xp.multiply(work.bound, work.bound, out=work.room)
    xp.subtract(1, work.room, out=work.room)
    work.da *= work.room
    dw = xp.multiply(work.r, work.joint, out=work.r)
    dw *= work.shrink
    work.dmu[...] = dw
    if work.coupling is not None:
        for i in range(1, len(dw)):
            xp.multiply(work.d[:i], dw[i], out=work.dcoupling[below(i)])
            xp.multiply(work.coupling[below(i)], dw[i], out=work.room[:i])
            work.dmu[:i] += work.room[:i]
    xp.negative(work.dmu, out=work.dmu)
    return dense.backward(layers, work.tape, work.dout, dlayers, need_dx=need_dinput)
