"""RealNVP: an exact, invertible density built from affine coupling layers.

The mathematics is in `reference.density.realnvp`. Same values; the whole chain, there and back, walks over
one feature-major array of columns that each coupling changes in place, beside borrowed work arrays.

Backward through one coupling, with dy the gradient of the loss with respect to y and dℓ that with respect to
log_det:

    dt  = dy₂                                   from y₂ = x₂ ⊙ eˢ + t
    ds  = dy₂ ⊙ (x₂ ⊙ eˢ) + dℓ                  from y₂, and from log_det = ∑ s
    da  = ds ⊙ (1 − tanh²(a/S))                 from s = S tanh(a/S)
    dx₂ = dy₂ ⊙ eˢ
    dx₁ = dy₁ + (network)ᵀ(dt, da)              the network's input holds c above x₁

so that only x₂ ⊙ eˢ, eˢ and the tape of the network are kept, never x; and at the top dz = z/N, dℓ = −1/N,
since loss = mean(½‖z‖² + …) − mean(log_det). The gradients of log p itself, row by row, are the same walk
from dz = −z, dℓ = 1, which leaves the parameters alone.

Example
-------
>>> import numpy as np
>>> from accel.density import realnvp
>>> params = realnvp.init_params(np.random.default_rng(0), dim=2, n_transforms=2, hidden=(8,))
>>> realnvp.log_prob(params, np.zeros((1, 2))).round(4)     # starts as the standard normal: −log 2π
array([-1.8379])
"""
import contextlib
import functools

from accel.density import flows
from accel.density._help import documented
from accel.device import array_module
from accel.kernels.realnvp import launch as realnvp_kernel
from accel.nets import dense
from accel.runtime import checks
from accel.runtime._vector import bound
from accel.runtime.protocols import Array, Params, Rng

__all__ = ["init_params", "forward", "inverse", "log_prob", "log_prob_and_grad", "sample",
           "loss", "loss_and_grad"]
SHARED = ["flow_of", "fused", "write_grads"]
__all__ += SHARED

S = 5.0


def init_params(rng: Rng, *, dim: int, context_dim: int = 0, n_transforms: int = 6,
                hidden: tuple = (64, 64)) -> Params:
    """Weights N(0, 1/n_in); the last layer of each network is zero, so that the flow starts as the
    identity.

    Parameters
    ----------
    rng : Generator
        Where the weights come from.
    dim, context_dim : int
        D and C. One dimension needs a context.
    n_transforms : int
        K: a transform is a coupling, and it takes two to move every dimension. With D = 1 there is one,
        whatever K.
    hidden : tuple of int
        Units of each hidden layer of every network; at least one layer.
    """
    check_architecture(dim, context_dim, n_transforms, hidden)
    return {"couplings": [init_coupling(rng, dim, context_dim, hidden, k)
                          for k in range(n_transforms if dim > 1 else 1)]}


def check_architecture(dim, context_dim, n_transforms, hidden):
    checks.check_count("context_dim", context_dim, least=0)
    if checks.check_count("dim", dim) == 1 and context_dim == 0:
        raise ValueError("dim: expected at least 2 without a context, since a coupling needs something to "
                         "keep, got 1")
    checks.check_count("n_transforms", n_transforms, least=min(dim, 2))
    checks.check_count("hidden: number of layers", len(hidden))


def init_coupling(rng, dim, context_dim, hidden, k):
    n_kept = (dim + k % 2) // 2
    layers = dense.init_mlp(rng, (context_dim + n_kept, *hidden))
    return [*layers,
            array_module(layers[0]).zeros((hidden[-1] + 1, 2 * (dim - n_kept)), dtype=layers[0].dtype)]


def sizes_of(shapes):
    """D and C, from the shapes of the layers: what the first two couplings move is everything."""
    dim = sum(network[-1][1] // 2 for network in shapes[:2])
    return dim, shapes[0][0][0] - 1 - dim // 2


def halves(x, k):
    """The kept and the moved half of x (D, n) for coupling k; views."""
    d = len(x) // 2
    return (x[:d], x[d:]) if k % 2 == 0 else (x[d:], x[:d])                                           # (1)


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
def log_prob_and_grad(params: Params, x: Array,
                      context: Array | None = None) -> tuple[Array, Array, Array | None]:
    """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None without a context."""
    flow, params = flow_of(params)
    return flow.log_prob_and_grad(params, x, context)


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
    """What trains the flow in kernels of its own (`kernels.training`), None where array code is to run."""
    flow, params = flow_of(params)
    return flow.step(*data) if isinstance(flow, flows.InKernels) else None


def flow_of(params):
    """The flow that these parameters have, in kernels or in array code, and the parameters with their
    vector.
    """
    params = bound(params)
    shapes, xp = tuple([dense.shapes_of(layers) for layers in params["couplings"]]), array_module(params.flat)
    kernel = realnvp_kernel.flow_of(xp, params.flat.dtype, shapes, bound=S)
    return flows.InKernels(kernel) if kernel else _flow(xp, params.flat.dtype, shapes), params


class Flow(flows.Flow):
    """The chain of couplings in array code, which changes one array of columns in place."""

    def __init__(self, xp, dtype, shapes):
        super().__init__(xp, dtype, shapes, *sizes_of(shapes))

    def make_works(self, xp, n):
        works = [Work(xp, network, n, self.dtype, context_dim=self.context_dim) for network in self.shapes]
        for work in works[1:]:
            work.tape.use(works[0].tape.room)
        # the columns, which become z, and dz on the way back
        works[-1].dx = xp.empty((self.dim, n), self.dtype)
        return works

    def chain(self, params):
        return contextlib.nullcontext(params["couplings"])

    def walk(self, chain, works, columns):
        x = works[-1].dx
        x[...] = columns
        for k, (layers, work) in enumerate(zip(chain, works)):
            to_gaussian(layers, work, x, k)
        return x

    def log_det_of(self, works):
        return sum(work.s.sum(axis=0) for work in works)                                              # (4)

    def walk_back(self, chain, works, d, dlog_det, grads, dcontext):
        """From dz to dx in place; gradients go into grads and dcontext, unless these are None. dx comes
        with dcontext alone.
        """
        for k in range(len(works) - 1, -1, -1):
            dlayers = None if grads is None else grads["couplings"][k]
            dc = to_gaussian_backward(chain[k], works[k], d, dlog_det, k, dlayers,
                                      need_dinput=k > 0 or dcontext is not None)
            if dcontext is not None:
                dcontext += dc
        return d

    def walk_inverse(self, chain, works, columns):
        x = works[-1].dx
        x[...] = columns
        for k in range(len(works) - 1, -1, -1):
            from_gaussian(chain[k], works[k], x, k)
        return x


_flow = functools.lru_cache(maxsize=64)(Flow)


class Work:
    """The work arrays of one coupling for n columns; context and kept are the rows of its network's input."""

    def __init__(self, xp, shapes, n, dtype, *, context_dim):
        self.tape = dense.Tape(xp, shapes, n, dtype)
        fed = self.tape.inputs[0]
        self.context, self.kept = fed[1:1 + context_dim], fed[1 + context_dim:]
        n_moved = len(self.tape.out) // 2
        self.t, self.a = self.tape.out[:n_moved], self.tape.out[n_moved:]
        self.bound, self.s, self.scale, self.scaled, self.slope = (xp.empty((n_moved, n), dtype)
                                                                   for _ in range(5))
        self.dout = xp.empty_like(self.tape.out)


def shift_and_scale(layers, work, kept):
    """t and s of (2), into work."""
    xp = array_module(work.s)
    work.kept[...] = kept
    dense.forward(layers, work.tape)
    xp.multiply(work.a, 1 / S, out=work.bound)
    xp.tanh(work.bound, out=work.bound)
    xp.multiply(work.bound, S, out=work.s)


def to_gaussian(layers, work, x, k):
    """(2) in place, on x (D, n); all that a backward pass needs stays in work."""
    xp, (kept, moved) = array_module(x), halves(x, k)
    shift_and_scale(layers, work, kept)
    xp.exp(work.s, out=work.scale)
    xp.multiply(moved, work.scale, out=work.scaled)
    xp.add(work.scaled, work.t, out=moved)


def to_gaussian_backward(layers, work, d, dlog_det, k, dlayers, *, need_dinput):
    """From dy to dx in place, on d (D, n); write dlayers, and return the context's gradient, (C, n), where
    asked for.
    """
    xp, (dkept, dmoved) = array_module(d), halves(d, k)
    dt, da = work.dout[:len(dmoved)], work.dout[len(dmoved):]
    dt[...] = dmoved
    xp.multiply(dmoved, work.scaled, out=da)
    da += dlog_det
    xp.multiply(work.bound, work.bound, out=work.slope)
    xp.subtract(1, work.slope, out=work.slope)
    da *= work.slope
    dinput = dense.backward(layers, work.tape, work.dout, dlayers, need_dx=need_dinput)
    if dinput is None:
        return None
    dmoved *= work.scale
    context_dim = len(work.context)
    dkept += dinput[context_dim:]
    return dinput[:context_dim]


def from_gaussian(layers, work, z, k):
    """(5) in place, on z (D, n)."""
    xp, (kept, moved) = array_module(z), halves(z, k)
    shift_and_scale(layers, work, kept)
    xp.negative(work.s, out=work.scale)
    xp.exp(work.scale, out=work.scale)
    moved -= work.t
    moved *= work.scale
