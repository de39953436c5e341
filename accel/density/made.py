"""MADE: one masked network that gives every conditional of an autoregressive density.

The mathematics is in `reference.density.made`. Same values; work arrays are feature-major and borrowed, the
weights are masked once a call, and the inverse computes each hidden unit once instead of D times: units are
sorted by degree, so that everything xᵢ depends on is a prefix of each layer.

Backward through (4) to (6), with dz the gradient of the loss with respect to z and dℓ that with respect to
log_det:

    dμ = −dz ⊙ e^{−log σ}                       from z = (x − μ) e^{−log σ}
    ds = −dz ⊙ z − dℓ                           s = log σ: from z, and from log_det = −∑ s
    da = ds ⊙ (1 − tanh²(a/S))                  from s = S tanh(a/S)
    dx = dz ⊙ e^{−log σ} + (network)ᵀ(dμ, da)   the network's input holds c above x

and at the top dz = z/N, dℓ = −1/N, since loss = mean(½‖z‖² + …) − mean(log_det). Masked weights have no
gradient.

Example
-------
>>> import numpy as np
>>> from accel.density import made
>>> params = made.init_params(np.random.default_rng(0), dim=2, hidden=(8,))
>>> made.log_prob(params, np.zeros((1, 2))).round(4)        # starts as the standard normal: −log 2π
array([-1.8379])
"""
import functools

import numpy as np

from accel import memory
from accel.density import flows
from accel.density._help import documented
from accel.device import array_module
from accel.kernels.maf import launch as maf_kernel
from accel.nets import dense
from accel.runtime import checks
from accel.runtime._vector import bound
from accel.runtime.protocols import Array, Params, Rng

__all__ = ["init_params", "masks", "conditionals", "forward", "inverse", "log_prob",
           "sample", "loss", "loss_and_grad"]
SHARED = ["S", "Flow", "Weights", "Work", "affine_inverse", "flow_of", "fused", "matrices",
          "outputs", "sizes_of", "to_gaussian",
          "to_gaussian_backward", "works_of", "write_grads"]
__all__ += SHARED

S = 7.0


def init_params(rng: Rng, *, dim: int, context_dim: int = 0, hidden: tuple = (50, 50)) -> Params:
    """Weights N(0, 1/n_in); the last layer is zero, so that the density starts as the standard normal.

    Parameters
    ----------
    rng : Generator
        Where the weights come from.
    dim, context_dim : int
        D and C.
    hidden : tuple of int
        Units of each hidden layer; at least one layer.
    """
    for name, value, least in (("dim", dim, 1), ("context_dim", context_dim, 0),
                               ("hidden: number of layers", len(hidden), 1)):
        checks.check_count(name, value, least=least)
    layers = dense.init_mlp(rng, (context_dim + dim, *hidden))
    xp, dtype = array_module(layers[0]), layers[0].dtype
    for layer, mask in zip(layers, _masks(dim, context_dim, hidden)):
        layer[1:] *= xp.asarray(mask, dtype=dtype)
    return {"layers": [*layers, xp.zeros((hidden[-1] + 1, 2 * dim), dtype=dtype)]}


def masks(params: Params) -> list[Array]:
    """The masks of the layers' weights, zeros and ones, each (n_in, n_out).

    Parameters
    ----------
    params : tree
        From `init_params`; its shapes decide.
    """
    last = params["layers"][-1]
    return [array_module(last).array(mask, dtype=last.dtype)
            for mask in masks_of(dense.shapes_of(params["layers"]))]


def sizes_of(shapes):
    """D, C and the hidden sizes, from the shapes of the layers; a last layer (n_in, n_each, D) has n_each
    outputs for each xᵢ.
    """
    last, hidden = shapes[-1], tuple([shape[1] for shape in shapes[:-1]])
    dim = last[2] if len(last) == 3 else last[1] // 2
    return dim, shapes[0][0] - 1 - dim, hidden


def masks_of(shapes):
    """The masks of one network, from the shapes of its layers."""
    dim, context_dim, hidden = sizes_of(shapes)
    n_each = shapes[-1][1] if len(shapes[-1]) == 3 else 2
    return _masks(dim, context_dim, hidden, n_each)


def _degrees(dim, context_dim, hidden):
    """The degrees of the inputs and of each hidden layer's units, ascending."""
    lowest = 0 if context_dim else min(1, dim - 1)                                                    # (2)
    inputs = np.concatenate((np.zeros(context_dim, int), np.arange(1, dim + 1)))
    return [inputs, *(lowest + np.arange(n) * (dim - lowest) // n for n in hidden)]


def _masks(dim, context_dim, hidden, n_each=2):
    degrees = _degrees(dim, context_dim, hidden)
    outputs = np.tile(np.arange(1, dim + 1), n_each)
    return [*(1.0 * (above[None, :] >= below[:, None]) for below, above in zip(degrees, degrees[1:])),
            1.0 * (outputs[None, :] > degrees[-1][:, None])]                                          # (3)


@functools.lru_cache(maxsize=64)
def _places(dim, context_dim, hidden):
    """For each degree from 0 to D − 1, where its units start and end in each hidden layer."""
    degrees = _degrees(dim, context_dim, hidden)[1:]
    return tuple(tuple(tuple(np.searchsorted(units, (i, i + 1)).tolist()) for units in degrees)
                 for i in range(dim))


def conditionals(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Array]:
    """μ and log σ of (1), each (N, D).

    Parameters
    ----------
    params : tree
        From `init_params`, or trained.
    x : (N, D) float
        Points.
    context : (N, C) float, optional
        What the density is conditioned on.
    """
    params = bound(params)
    flow = _flow(array_module(params.flat), params.flat.dtype, (dense.shapes_of(params["layers"]),))
    with flow.chain(params) as (layers,), flow.works(len(x), context) as (work,):
        to_gaussian(layers, work, x.T)
        return work.mu.T.copy(), work.log_sigma.T.copy()


@documented
def forward(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Array]:
    """Data to Gaussian: z (N, D) and log|det ∂z/∂x| (N,)."""
    flow, params = flow_of(params)
    return flow.forward(params, x, context)


@documented
def inverse(params: Params, z: Array, context: Array | None = None) -> tuple[Array, Array]:
    """Gaussian to data: x (N, D) and log|det ∂x/∂z| (N,)."""
    flow, params = flow_of(params)
    return flow.invert(params, z, context)


@documented
def log_prob(params: Params, x: Array, context: Array | None = None) -> Array:
    """log p(x|c) in nats, (N,)."""
    flow, params = flow_of(params)
    return flow.log_prob(params, x, context)


@documented
def sample(params: Params, rng: Rng, n: int, context: Array | None = None) -> Array:
    """n draws, (n, D); with a context of M rows, n draws for each: (M, n, D)."""
    flow, params = flow_of(params)
    return flow.sample(params, rng, n, context)


@documented
def loss(params: Params, x: Array, context: Array | None = None) -> Array:
    """The mean negative log-density, in nats."""
    return -log_prob(params, x, context).mean()


@documented
def loss_and_grad(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    flow, params = flow_of(params)
    return flow.loss_and_grad(params, x, context)


def write_grads(params, grads, x, context=None, dcontext=None):
    """The loss; its gradient goes into grads and, where it is given, the context's into dcontext, (C, N)."""
    flow, params = flow_of(params)
    return flow.write_grads(params, grads, x, context, dcontext)


def fused(params, data, batch_size):
    """What trains the density in kernels of its own (`kernels.training`), None where array code is to run."""
    flow, _ = flow_of(params)
    return flow.step(*data) if isinstance(flow, flows.InKernels) else None


def flow_of(params):
    """The flow of one MADE that these parameters have, in kernels or in array code, and the parameters
    with their vector.
    """
    params = bound(params)
    shapes, xp = (dense.shapes_of(params["layers"]),), array_module(params.flat)
    kernel = maf_kernel.flow_of(xp, params.flat.dtype, shapes, bound=S)
    return flows.InKernels(kernel) if kernel else _flow(xp, params.flat.dtype, shapes), params


class Flow(flows.Flow):
    """A chain of MADEs in array code, each seeing the dimensions in the opposite order of the one before."""

    def __init__(self, xp, dtype, shapes):
        super().__init__(xp, dtype, shapes, *sizes_of(shapes[0])[:2])

    def make_works(self, xp, n):
        return works_of(Work, xp, self.shapes, n, self.dtype)

    def make_weights(self, xp):
        return Weights(xp, self.shapes, self.dtype)

    def chain(self, params):
        """The masked weights of each MADE, in a work array of their own."""
        return _Masked(self, params.flat)

    def walk(self, chain, works, columns):
        for k, (layers, work) in enumerate(zip(chain, works)):
            columns = to_gaussian(layers, work, columns[::-1] if k else columns)
        return columns

    def log_det_of(self, works):
        return -sum(work.log_sigma.sum(axis=0) for work in works)

    def sum_log_det(self, works):
        return -sum(work.log_sigma.sum() for work in works)

    def walk_back(self, chain, works, dz, dlog_det, grads, dcontext):
        """dx comes with dcontext alone; gradients go into grads and dcontext (C, n), unless these are
        None.
        """
        dchain = [None] * len(chain) if grads is None else grads.get("mades") or [grads["layers"]]
        for k in range(len(works) - 1, -1, -1):
            dx, dc = to_gaussian_backward(chain[k], works[k], dz, dlog_det, dchain[k],
                                          need_dx=k > 0 or dcontext is not None,
                                          need_dcontext=dcontext is not None)
            if dcontext is not None:
                dcontext += dc
            dz = dx[::-1] if k else dx
        if grads is not None:
            grads.flat *= chain.mask
        return dz

    def walk_inverse(self, chain, works, columns):
        for k in range(len(works) - 1, -1, -1):
            columns = from_gaussian(chain[k], works[k], columns)
            columns = columns[::-1] if k else columns
        return columns


_flow = functools.lru_cache(maxsize=64)(Flow)


class Weights(list):
    """Room for the masked weights of a chain of MADEs, network by network; `mask` holds ones for biases."""

    def __init__(self, xp, shapes, dtype):
        ones = [np.vstack((np.ones(mask.shape[1]), mask)).ravel() for network in shapes
                for mask in masks_of(network)]
        self.mask = xp.asarray(np.concatenate(ones), dtype=dtype)
        self.flat, start = xp.empty_like(self.mask), 0
        for network in shapes:
            self.append([])
            for shape in network:
                end = start + shape[0] * int(np.prod(shape[1:]))
                self[-1].append(self.flat[start:end].reshape(shape[0], -1))
                start = end


class _Masked:
    """The borrowed weights of a flow, as a context manager that fills them from a vector of parameters."""
    __slots__ = ("borrowed", "flat")

    def __init__(self, flow, flat):
        self.borrowed, self.flat = memory.borrow(flow.make_weights, flow.xp), flat

    def __enter__(self):
        weights = self.borrowed.__enter__()
        array_module(self.flat).multiply(self.flat, weights.mask, out=weights.flat)
        return weights

    def __exit__(self, *error):
        self.borrowed.__exit__(*error)


class Work:
    """The work arrays of one MADE for n columns; x and context are the rows of its network's input."""

    def __init__(self, xp, shapes, n, dtype):
        self.sizes = dim, context_dim, _ = sizes_of(shapes)
        self.tape = dense.Tape(xp, matrices(shapes), n, dtype)
        self.context, self.x = self.tape.inputs[0][1:1 + context_dim], self.tape.inputs[0][1 + context_dim:]
        self.mu, self.a = self.tape.out[:dim], self.tape.out[dim:2 * dim]
        self.bound, self.log_sigma, self.shrink, self.z = (xp.empty((dim, n), dtype) for _ in range(4))
        self.dout = xp.empty_like(self.tape.out)
        self.dx, self.slope = xp.empty((dim, n), dtype), xp.empty((dim, n), dtype)


def matrices(shapes):
    """The shapes of a network's layers as matrices [b; W]."""
    return (*shapes[:-1], (shapes[-1][0], int(np.prod(shapes[-1][1:]))))


def works_of(work, xp, shapes, n, dtype):
    """The work arrays of a chain of networks for n columns; all share the room of the first for their way
    back.
    """
    works = [work(xp, network, n, dtype) for network in shapes]
    for work in works[1:]:
        work.tape.use(works[0].tape.room)
    return works


def to_gaussian(layers, work, x):
    """z = (x − μ)/σ, (D, n); all that a backward pass needs stays in work."""
    xp = array_module(work.z)
    work.x[...] = x
    dense.forward(layers, work.tape)
    xp.multiply(work.a, 1 / S, out=work.bound)
    xp.tanh(work.bound, out=work.bound)
    xp.multiply(work.bound, S, out=work.log_sigma)                                                    # (4)
    xp.negative(work.log_sigma, out=work.shrink)
    xp.exp(work.shrink, out=work.shrink)
    xp.subtract(work.x, work.mu, out=work.z)
    xp.multiply(work.z, work.shrink, out=work.z)                                                      # (5)
    return work.z


def to_gaussian_backward(layers, work, dz, dlog_det, dlayers, *, need_dx=False, need_dcontext=False):
    """Write dlayers (masked entries too); return the gradients of x, (D, n), and of the context, (C, n), None
    where not asked for; the context's is asked for beside that of x alone.

    Rows of work.dout beyond the first 2D, where there are outputs besides μ and a, are set by the caller.
    """
    xp, dim = array_module(dz), len(dz)
    dmu, da = work.dout[:dim], work.dout[dim:2 * dim]
    xp.multiply(dz, work.shrink, out=dmu)
    xp.negative(dmu, out=dmu)
    xp.multiply(dz, work.z, out=da)
    xp.add(da, dlog_det, out=da)                                      # −ds
    xp.multiply(work.bound, work.bound, out=work.slope)
    xp.subtract(work.slope, 1, out=work.slope)                        # −(1 − tanh²)
    xp.multiply(da, work.slope, out=da)
    context_dim = len(work.context)
    dinput = dense.backward(layers, work.tape, work.dout, dlayers, need_dx=need_dx,
                            first=0 if need_dcontext else context_dim)
    if dinput is None:
        return None, None
    return xp.subtract(dinput[-dim:], dmu, out=work.dx), dinput[:context_dim] if need_dcontext else None


def from_gaussian(layers, work, z):
    """x, (D, n), dimension by dimension."""
    for i, out in outputs(layers, work):
        affine_inverse(work, i, out, z[i])
    return work.x


def outputs(layers, work):
    """For each i in turn, the network's outputs for dimension i, (n_each, n), where work.x[i] is set before
    the next is asked for.

    Each hidden unit is computed once, as soon as what it sees is known; one that sees the context alone, once
    for each context.
    """
    xp = array_module(work.z)
    (dim, context_dim, hidden), inputs = work.sizes, work.tape.inputs
    for i, places in enumerate(_places(dim, context_dim, hidden)):    # where the units of degree i are
        seen, each = 1 + context_dim + i, 1 if i else work.each  # seen: the constant, the context and x₁ … xᵢ
        for below, above, layer, (start, end) in zip(inputs, inputs[1:], layers, places):
            if end > start:
                new = above[1 + start:1 + end]
                if each == 1:
                    xp.matmul(layer[:seen, start:end].T, below[:seen], out=new)
                    xp.tanh(new, out=new)
                else:
                    few = layer[:seen, start:end].T @ below[:seen, ::each]
                    xp.tanh(few, out=few)
                    new.reshape(len(new), -1, each)[...] = few[:, :, None]
            seen = 1 + end
        out = layers[-1][:seen, i::dim].T @ inputs[-1][:seen, ::each]  # the columns i and D + i: μ and a
        yield i, out if each == 1 else xp.repeat(out, each, axis=1)


def affine_inverse(work, i, out, z):
    """xᵢ = μᵢ + σᵢ z, written into work.x, with log σᵢ beside it; out starts with μᵢ and aᵢ."""
    xp = array_module(work.z)
    xp.multiply(out[1], 1 / S, out=work.bound[i])
    xp.tanh(work.bound[i], out=work.bound[i])
    xp.multiply(work.bound[i], S, out=work.log_sigma[i])
    xp.exp(work.log_sigma[i], out=work.shrink[i])
    xp.multiply(work.shrink[i], z, out=work.x[i])
    work.x[i] += out[0]                                                                               # (6)
