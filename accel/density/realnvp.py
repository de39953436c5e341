"""RealNVP: an exact, invertible density built from affine coupling layers.

The mathematics is in `reference.density.realnvp`. Same values; the whole chain, there and back, walks over one feature-major
array of columns that each coupling changes in place, beside work arrays allocated once per tree of packed parameters.

Backward through one coupling, with dy the gradient of the loss with respect to y and dℓ that with respect to log_det:

    dt  = dy₂                                   from y₂ = x₂ ⊙ eˢ + t
    ds  = dy₂ ⊙ (x₂ ⊙ eˢ) + dℓ                  from y₂, and from log_det = ∑ s
    da  = ds ⊙ (1 − tanh²(a/S))                 from s = S tanh(a/S)
    dx₂ = dy₂ ⊙ eˢ
    dx₁ = dy₁ + (network)ᵀ(dt, da)              the network's input holds c above x₁

so that only x₂ ⊙ eˢ, eˢ and the tape of the network are kept, never x; and at the top dz = z/N, dℓ = −1/N, since
loss = mean(½‖z‖² + …) − mean(log_det). The gradients of log p itself, row by row, are the same walk from dz = −z, dℓ = 1, which
leaves the parameters alone.
"""
from functools import partial

from accel.nets import dense
from accel.runtime import checks
from accel.runtime.tree import empty_like, packed
from accel.density import flows
from accel.kernels.realnvp import launch as realnvp_kernel
from accel.device import array_module

__all__ = ["init_params", "forward", "inverse", "log_prob", "log_prob_and_grad", "sample", "loss", "loss_and_grad"]

S = 5.0


def init_params(rng, *, dim, context_dim=0, n_transforms=6, hidden=(64, 64)):
    """Weights N(0, 1/n_in); the last layer of each network is zero, so that the flow starts as the identity."""
    check_architecture(dim, context_dim, n_transforms, hidden)
    return {"couplings": [init_coupling(rng, dim, context_dim, hidden, k) for k in range(n_transforms if dim > 1 else 1)]}


def check_architecture(dim, context_dim, n_transforms, hidden):
    checks.check_count("context_dim", context_dim, least=0)
    if checks.check_count("dim", dim) == 1 and context_dim == 0:
        raise ValueError("dim: expected at least 2 without a context, since a coupling needs something to keep, got 1")
    checks.check_count("n_transforms", n_transforms, least=min(dim, 2))
    checks.check_count("hidden: number of layers", len(hidden))


def init_coupling(rng, dim, context_dim, hidden, k):
    n_kept = (dim + k % 2) // 2
    layers = dense.init_mlp(rng, (context_dim + n_kept, *hidden))
    return [*layers, array_module(layers[0]).zeros((hidden[-1] + 1, 2 * (dim - n_kept)), dtype=layers[0].dtype)]


def sizes(params):
    """D and C, from the shapes of the layers: what the first two couplings move is everything."""
    chain = params["couplings"]
    dim = sum(layers[-1].shape[1] // 2 for layers in chain[:2])
    return dim, len(chain[0][0]) - 1 - dim // 2


def halves(x, k):
    """The kept and the moved half of x (D, n) for coupling k; views."""
    d = len(x) // 2
    return (x[:d], x[d:]) if k % 2 == 0 else (x[d:], x[:d])


def forward(params, x, context=None):
    """Data to Gaussian: z (N, D) and log|det ∂z/∂x| (N,)."""
    params = packed(params)
    if fused := realnvp_kernel.flow_of(params):
        return fused.forward(params.flat, x, context)

    def block(works, columns):
        return walk(params, works, columns_of(params, "columns", columns))
    return flows.in_blocks(block, params, x, context, work_of(params))


def walk(params, works, x):
    """From x to z in place, (D, n), and log|det ∂z/∂x| (n,); all that the way back needs stays in works."""
    log_det = 0
    for k, (layers, work) in enumerate(zip(params["couplings"], works)):
        to_gaussian(layers, work, x, k)
        log_det = log_det + work.s.sum(axis=0)
    return x, log_det


def walk_back(params, works, d, dlog_det, grads, dcontext):
    """From dz to dx in place, (D, n); gradients go into grads and dcontext (C, n), unless these are None. dx comes with dcontext alone."""
    for k in range(len(works) - 1, -1, -1):
        dlayers = None if grads is None else grads["couplings"][k]
        dc = to_gaussian_backward(params["couplings"][k], works[k], d, dlog_det, k, dlayers, need_dinput=k > 0 or dcontext is not None)
        if dcontext is not None:
            dcontext += dc


def inverse(params, z, context=None):
    """Gaussian to data: x (N, D) and log|det ∂x/∂z| (N,)."""
    params = packed(params)
    if fused := realnvp_kernel.flow_of(params):
        return fused.inverse(params.flat, z, context)

    def block(works, columns):
        x, log_det = columns_of(params, "columns", columns), 0
        for k in range(len(works) - 1, -1, -1):
            from_gaussian(params["couplings"][k], works[k], x, k)
            log_det = log_det - works[k].s.sum(axis=0)
        return x, log_det
    return flows.in_blocks(block, params, z, context, work_of(params))


def log_prob(params, x, context=None):
    """log p(x|c) in nats, (N,)."""
    params = packed(params)
    x, context = flows.inputs(params, x, context, *sizes(params))
    if fused := realnvp_kernel.flow_of(params):
        return fused.log_prob(params.flat, x, context)
    return flows.base_log_prob(*forward(params, x, context))


def log_prob_and_grad(params, x, context=None):
    """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None where there is no context."""
    x, context = flows.inputs(params, x, context, *sizes(params))
    params = packed(params)
    if fused := realnvp_kernel.flow_of(params):
        return fused.log_prob_and_grad(params.flat, x, context)
    works = flows.work_arrays(params, "score", len(x), context, work_of(params))
    z, log_det = walk(params, works, columns_of(params, "score columns", x.T))
    value, dcontext = flows.base_log_prob(z.T, log_det), array_module(z).zeros((len(works[0].context), len(x)), z.dtype)
    z *= -1                                                           # z is dz from here on
    walk_back(params, works, z, 1, None, dcontext)
    return value, z.T.copy(), None if context is None else dcontext.T


def sample(params, rng, n, context=None):
    """n draws, (n, D); with a context of M rows, n draws for each: (M, n, D)."""
    params = packed(params)
    flows.check_place(params, context=context)
    if fused := realnvp_kernel.flow_of(params):
        z, context, shape = flows.draw(rng, n, *sizes(params), context)
        return fused.inverse(params.flat, z, context, each=n)[0].reshape(shape)
    z, context, shape = flows.draw_base(rng, n, *sizes(params), context)
    return inverse(params, z, context)[0].reshape(shape)


def loss(params, x, context=None):
    """The mean negative log-density, in nats."""
    return -log_prob(params, x, context).mean()


def loss_and_grad(params, x, context=None):
    """The loss and its gradient, in the tree of params."""
    params = packed(params)
    grads = params.scratch("grads", lambda: empty_like(params))
    return write_grads(params, grads, x, context), grads


def fused(params, data, batch_size):
    """What trains the flow in kernels of its own (kernels.training), None where array code is to run."""
    return realnvp_kernel.step(params, data)


def write_grads(params, grads, x, context, dcontext=None):
    """The loss; its gradient goes into grads and, where it is given, the context's into dcontext, (C, N). Both trees packed."""
    x, context = flows.inputs(params, x, context, *sizes(params))
    if realnvp_kernel.flow_of(params):
        return realnvp_kernel.write_grads(params, grads, x, context, dcontext)
    works, n = flows.work_arrays(params, "train", len(x), context, work_of(params)), len(x)
    z, log_det = walk(params, works, columns_of(params, "train columns", x.T))
    value = flows.base_loss(z, -log_det.sum())
    if dcontext is not None:
        dcontext[...] = 0
    z *= 1 / n                                                        # z is dz from here on
    walk_back(params, works, z, -1 / n, grads, dcontext)
    return value


class Work:
    """The work arrays of one coupling for n columns; context and kept are the rows of its network's input."""

    def __init__(self, xp, layers, n, dtype, *, context_dim):
        self.tape = dense.Tape(xp, layers, n, dtype)
        self.context, self.kept = self.tape.inputs[0][1:1 + context_dim], self.tape.inputs[0][1 + context_dim:]
        n_moved = len(self.tape.out) // 2
        self.t, self.a = self.tape.out[:n_moved], self.tape.out[n_moved:]
        self.bound, self.s, self.scale, self.scaled, self.slope = (xp.empty((n_moved, n), dtype) for _ in range(5))
        self.dout = xp.empty_like(self.tape.out)


def work_of(params):
    return partial(Work, context_dim=sizes(params)[1])


def columns_of(params, role, x):
    """A copy of x (D, n) that the couplings may change."""
    xp = array_module(params.flat)
    columns = params.scratch(role, lambda: xp.empty(x.shape, params.flat.dtype), size=x.shape[1])
    columns[...] = x
    return columns


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
    """From dy to dx in place, on d (D, n); write dlayers, and return the context's gradient, (C, n), where asked for."""
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
