"""MADE: one masked network that gives every conditional of an autoregressive density.

The mathematics is in `reference.density.made`. Same values; work arrays are feature-major and allocated once per tree of
packed parameters, masked weights are kept at zero by masking the gradient alone, and the inverse computes each hidden unit
once instead of D times: units are sorted by degree, so that everything xᵢ depends on is a prefix of each layer.

Backward through (4) to (6), with dz the gradient of the loss with respect to z and dℓ that with respect to log_det:

    dμ = −dz ⊙ e^{−log σ}                       from z = (x − μ) e^{−log σ}
    ds = −dz ⊙ z − dℓ                           s = log σ: from z, and from log_det = −∑ s
    da = ds ⊙ (1 − tanh²(a/S))                  from s = S tanh(a/S)
    dx = dz ⊙ e^{−log σ} + (network)ᵀ(dμ, da)   the network's input holds c above x

and at the top dz = z/N, dℓ = −1/N, since loss = mean(½‖z‖² + …) − mean(log_det).
"""
import functools

import numpy as np

from accel.nets import dense
from accel.runtime import checks
from accel.runtime.tree import empty_like, packed
from accel.density import flows
from accel.kernels.maf.launch import flow_of, fused  # noqa: F401  (fused: what training asks a model for)
from accel.device import array_module

__all__ = ["init_params", "masks", "conditionals", "forward", "inverse", "log_prob", "sample", "loss", "loss_and_grad"]

S = 7.0


def init_params(rng, *, dim, context_dim=0, hidden=(50, 50)):
    """Weights N(0, 1/n_in); the last layer is zero, so that the density starts as the standard normal."""
    for name, value, least in (("dim", dim, 1), ("context_dim", context_dim, 0), ("hidden: number of layers", len(hidden), 1)):
        checks.check_count(name, value, least=least)
    layers = dense.init_mlp(rng, (context_dim + dim, *hidden))
    xp, dtype = array_module(layers[0]), layers[0].dtype
    for layer, mask in zip(layers, _masks(dim, context_dim, hidden)):
        layer[1:] *= xp.asarray(mask, dtype=dtype)
    return {"layers": [*layers, xp.zeros((hidden[-1] + 1, 2 * dim), dtype=dtype)]}


def masks(params):
    """The masks of the layers' weights, zeros and ones, each (n_in, n_out)."""
    last = params["layers"][-1]
    return [array_module(last).asarray(mask, dtype=last.dtype) for mask in masks_of(params["layers"])]


def sizes(layers):
    """D, C and the hidden sizes, from the shapes of the layers; a last layer (n_in, n_each, D) has n_each outputs for each dimension."""
    last, hidden = layers[-1].shape, tuple(layer.shape[1] for layer in layers[:-1])
    dim = last[2] if len(last) == 3 else last[1] // 2
    return dim, layers[0].shape[0] - 1 - dim, hidden


def flat(layers):
    """The layers as matrices, [b; W] each; views."""
    return [*layers[:-1], layers[-1].reshape(len(layers[-1]), -1)]


def masks_of(layers):
    dim, context_dim, hidden = sizes(layers)
    return _masks(dim, context_dim, hidden, layers[-1][0].size // dim)


def _degrees(dim, context_dim, hidden):
    """The degrees of the inputs and of each hidden layer's units, ascending."""
    lowest = 0 if context_dim else min(1, dim - 1)
    inputs = np.concatenate((np.zeros(context_dim, int), np.arange(1, dim + 1)))
    return [inputs, *(lowest + np.arange(n) * (dim - lowest) // n for n in hidden)]


@functools.lru_cache(maxsize=64)
def _places(dim, context_dim, hidden):
    """For each degree from 0 to D − 1, where its units start and end in each hidden layer."""
    degrees = _degrees(dim, context_dim, hidden)[1:]
    return [[tuple(np.searchsorted(units, (i, i + 1)).tolist()) for units in degrees] for i in range(dim)]


def _masks(dim, context_dim, hidden, n_each=2):
    degrees = _degrees(dim, context_dim, hidden)
    outputs = np.tile(np.arange(1, dim + 1), n_each)
    return [*(1.0 * (above[None, :] >= below[:, None]) for below, above in zip(degrees, degrees[1:])),
            1.0 * (outputs[None, :] > degrees[-1][:, None])]


def conditionals(params, x, context=None):
    """μ and log σ of (1), each (N, D)."""
    params = masked(params)
    work, = flows.work_arrays(params, "evaluate", len(x), context, Work)
    to_gaussian(params["layers"], work, x.T)
    return work.mu.T.copy(), work.log_sigma.T.copy()


def forward(params, x, context=None):
    """Data to Gaussian: z (N, D) and log|det ∂z/∂x| (N,)."""
    params = packed(params)
    if flow := flow_of(params):
        return flow.forward(params, x, context)
    params = masked(params)

    def block(works, columns):
        z = to_gaussian(params["layers"], works[0], columns)
        return z, -works[0].log_sigma.sum(axis=0)
    return flows.in_blocks(block, params, x, context, Work)


def inverse(params, z, context=None):
    """Gaussian to data: x (N, D) and log|det ∂x/∂z| (N,)."""
    return invert(params, z, context)


def invert(params, z, context, each=1):
    """The same, a row of the context standing for `each` rows of z."""
    params = packed(params)
    if flow := flow_of(params):
        return flow.invert(params, z, context, each)
    params = masked(params)

    def block(works, columns):
        x = from_gaussian(params["layers"], works[0], columns)
        return x, works[0].log_sigma.sum(axis=0)
    return flows.in_blocks(block, params, z, context, Work, each=each)


def log_prob(params, x, context=None):
    """log p(x|c) in nats, (N,)."""
    x, context = flows.inputs(params, x, context, *sizes(params["layers"])[:2])
    params = packed(params)
    if flow := flow_of(params):
        return flow.log_prob(params, x, context)
    return flows.base_log_prob(*forward(params, x, context))


def sample(params, rng, n, context=None):
    """n draws, (n, D); with a context of M rows, n draws for each: (M, n, D)."""
    params = packed(params)
    flows.check_place(params, context=context)
    if flow := flow_of(params):
        return flow.sample(params, rng, n, context)
    z, context, shape = flows.draw(rng, n, *sizes(params["layers"])[:2], context)
    return invert(params, z, context, n)[0].reshape(shape)


def loss(params, x, context=None):
    """The mean negative log-density, in nats."""
    return -log_prob(params, x, context).mean()


def loss_and_grad(params, x, context=None):
    """The loss and its gradient, in the tree of params."""
    x, context = flows.inputs(params, x, context, *sizes(params["layers"])[:2])
    params = packed(params)
    grads = params.scratch("grads", lambda: empty_like(params))
    if flow := flow_of(params):
        return flow.write_grads(params, grads, x, context), grads
    params = masked(params)
    work, = flows.work_arrays(params, "train", len(x), context, Work)
    z, n = to_gaussian(params["layers"], work, x.T), len(x)
    value = flows.base_loss(z, work.log_sigma.sum())
    to_gaussian_backward(params["layers"], work, z / n, -1 / n, grads["layers"])
    grads.flat *= params.scratch("mask", None)
    return value, grads


class Work:
    """The work arrays of one MADE for n columns; x and context are the rows of its network's input."""

    def __init__(self, xp, layers, n, dtype):
        dim, context_dim, _ = sizes(layers)
        self.tape = dense.Tape(xp, flat(layers), n, dtype)
        self.context, self.x = self.tape.inputs[0][1:1 + context_dim], self.tape.inputs[0][1 + context_dim:]
        self.mu, self.a = self.tape.out[:dim], self.tape.out[dim:2 * dim]
        self.bound, self.log_sigma, self.shrink, self.z = (xp.empty((dim, n), dtype) for _ in range(4))
        self.dout, self.dx, self.slope = xp.empty_like(self.tape.out), xp.empty((dim, n), dtype), xp.empty((dim, n), dtype)


def masked(params):
    """The parameters, packed, with masked weights at zero: set there once, and kept there by masking the gradient."""
    def make():
        xp, chain = array_module(params.flat), flows.chain_of(params)
        ones = [np.vstack((np.ones(mask.shape[1]), mask)).ravel() for layers in chain for mask in masks_of(layers)]
        mask = xp.asarray(np.concatenate(ones), dtype=params.flat.dtype)
        params.flat *= mask
        return mask
    params = packed(params)
    params.scratch("mask", make)
    return params


def to_gaussian(layers, work, x):
    """z = (x − μ)/σ, (D, n); all that a backward pass needs stays in work."""
    xp = array_module(work.z)
    work.x[...] = x
    dense.forward(layers, work.tape)
    xp.multiply(work.a, 1 / S, out=work.bound)
    xp.tanh(work.bound, out=work.bound)
    xp.multiply(work.bound, S, out=work.log_sigma)
    xp.negative(work.log_sigma, out=work.shrink)
    xp.exp(work.shrink, out=work.shrink)
    xp.subtract(work.x, work.mu, out=work.z)
    xp.multiply(work.z, work.shrink, out=work.z)
    return work.z


def to_gaussian_backward(layers, work, dz, dlog_det, dlayers, *, need_dx=False, need_dcontext=False):
    """Write dlayers (masked entries too); return the gradients of x, (D, n), and of the context, (C, n), None where not asked for;
    the latter is asked for beside the former alone.

    Rows of work.dout beyond the first 2D, where there are outputs besides μ and a, are set by the caller.
    """
    xp, dim = array_module(dz), len(dz)
    dmu, da = work.dout[:dim], work.dout[dim:2 * dim]
    xp.multiply(dz, work.shrink, out=dmu)
    xp.negative(dmu, out=dmu)
    xp.multiply(dz, work.z, out=da)
    xp.add(da, dlog_det, out=da)
    xp.multiply(work.bound, work.bound, out=work.slope)
    xp.subtract(work.slope, 1, out=work.slope)
    xp.multiply(da, work.slope, out=da)                               # both signs turned: −ds ⊙ −(1 − tanh²)
    context_dim = len(work.context)
    dinput = dense.backward(layers, work.tape, work.dout, dlayers, need_dx=need_dx, first=0 if need_dcontext else context_dim)
    if dinput is None:
        return None, None
    return xp.subtract(dinput[-dim:], dmu, out=work.dx), dinput[:context_dim] if need_dcontext else None


def from_gaussian(layers, work, z):
    """x, (D, n), dimension by dimension."""
    for i, out in outputs(layers, work):
        affine_inverse(work, i, out, z[i])
    return work.x


def outputs(layers, work):
    """For each i in turn, the network's outputs for dimension i, (n_each, n), where work.x[i] is set before the next is asked for.

    Each hidden unit is computed once, as soon as what it sees is known; one that sees the context alone, once for each context.
    """
    xp = array_module(work.z)
    dim, context_dim, hidden = sizes(layers)
    layers, inputs = flat(layers), work.tape.inputs
    for i, places in enumerate(_places(dim, context_dim, hidden)):    # where the units of degree i are
        seen, each = 1 + context_dim + i, 1 if i else work.each       # seen: the constant, the context and x₁ … xᵢ
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
        out = layers[-1][:seen, i::dim].T @ inputs[-1][:seen, ::each]                   # the columns i and D + i: μ and a
        yield i, out if each == 1 else xp.repeat(out, each, axis=1)


def affine_inverse(work, i, out, z):
    """xᵢ = μᵢ + σᵢ z, written into work.x, with log σᵢ beside it; out starts with μᵢ and aᵢ."""
    xp = array_module(work.z)
    xp.multiply(out[1], 1 / S, out=work.bound[i])
    xp.tanh(work.bound[i], out=work.bound[i])
    xp.multiply(work.bound[i], S, out=work.log_sigma[i])
    xp.exp(work.log_sigma[i], out=work.shrink[i])
    xp.multiply(work.shrink[i], z, out=work.x[i])
    work.x[i] += out[0]
