"""Masked autoregressive flow: a chain of MADEs, each seeing the dimensions in the opposite order of the one before.

The mathematics is in `reference.density.maf`. Same values; the chain runs on work arrays allocated once (see
`accel.density.made`), on a device in one kernel (`density.cu`), and the gradient is one walk back through it, the reversals being views:

    dz_K = z/N,  dℓ = −1/N for every MADE                 from (3) and (5)
    dz_{k−1} = r (backward through f_k)(dz_k, dℓ)         from (1)
    dc = ∑ₖ (the context's gradient of f_k)               every MADE is fed the same c

and the gradients of log p itself, row by row, are the same walk from dz_K = −z, dℓ = 1, which leaves the parameters alone.
"""
from accel.runtime import checks
from accel.runtime.tree import empty_like, packed
from accel.density import flows, made
from accel.kernels.maf.launch import flow_of, fused  # noqa: F401  (fused: what training asks a model for)
from accel.device import array_module

__all__ = ["init_params", "forward", "inverse", "log_prob", "log_prob_and_grad", "sample", "loss", "loss_and_grad"]


def init_params(rng, *, dim, context_dim=0, n_transforms=5, hidden=(50, 50)):
    """K MADEs that all start as the identity."""
    checks.check_count("n_transforms", n_transforms)
    return {"mades": [made.init_params(rng, dim=dim, context_dim=context_dim, hidden=hidden)["layers"] for _ in range(n_transforms)]}


def forward(params, x, context=None):
    """Data to Gaussian: z (N, D) and log|det ∂z/∂x| (N,)."""
    params = packed(params)
    if flow := flow_of(params):
        return flow.forward(params, x, context)
    params = made.masked(params)

    def block(works, columns):
        return walk(params, works, columns), log_det_of(works)
    return flows.in_blocks(block, params, x, context, made.Work)


def walk(params, works, columns):
    """z (D, n); all that the way back needs stays in works."""
    for k, (layers, work) in enumerate(zip(params["mades"], works)):
        columns = made.to_gaussian(layers, work, columns[::-1] if k else columns)
    return columns


def log_det_of(works):
    """log|det ∂z/∂x| (n,) of the last walk."""
    return -sum(work.log_sigma.sum(axis=0) for work in works)


def walk_back(params, works, dz, dlog_det, grads, dcontext):
    """From dz to dx, both (D, n); gradients go into grads and dcontext (C, n), unless these are None. dx comes with dcontext alone."""
    for k in range(len(works) - 1, -1, -1):
        dx, dc = made.to_gaussian_backward(params["mades"][k], works[k], dz, dlog_det, None if grads is None else grads["mades"][k],
                                           need_dx=k > 0 or dcontext is not None, need_dcontext=dcontext is not None)
        if dcontext is not None:
            dcontext += dc
        dz = dx[::-1] if k else dx
    return dz


def inverse(params, z, context=None):
    """Gaussian to data: x (N, D) and log|det ∂x/∂z| (N,)."""
    return invert(params, z, context)


def invert(params, z, context, each=1):
    """The same, a row of the context standing for `each` rows of z."""
    params = packed(params)
    if flow := flow_of(params):
        return flow.invert(params, z, context, each)
    params = made.masked(params)

    def block(works, columns):
        log_det = 0
        for k in range(len(works) - 1, -1, -1):
            columns = made.from_gaussian(params["mades"][k], works[k], columns)
            log_det = log_det + works[k].log_sigma.sum(axis=0)
            columns = columns[::-1] if k else columns
        return columns, log_det
    return flows.in_blocks(block, params, z, context, made.Work, each=each)


def log_prob(params, x, context=None):
    """log p(x|c) in nats, (N,)."""
    x, context = flows.inputs(params, x, context, *made.sizes(params["mades"][0])[:2])
    params = packed(params)
    if flow := flow_of(params):
        return flow.log_prob(params, x, context)
    return flows.base_log_prob(*forward(params, x, context))


def log_prob_and_grad(params, x, context=None):
    """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None where there is no context."""
    x, context = flows.inputs(params, x, context, *made.sizes(params["mades"][0])[:2])
    params = packed(params)
    if flow := flow_of(params):
        return flow.log_prob_and_grad(params, x, context)
    params = made.masked(params)
    works = flows.work_arrays(params, "score", len(x), context, made.Work)
    z, log_det = walk(params, works, x.T), log_det_of(works)
    dcontext = array_module(z).zeros((len(works[0].context), len(x)), z.dtype)
    dx = walk_back(params, works, -z, 1, None, dcontext)
    return flows.base_log_prob(z.T, log_det), dx.T.copy(), None if context is None else dcontext.T


def sample(params, rng, n, context=None):
    """n draws, (n, D); with a context of M rows, n draws for each: (M, n, D)."""
    params = packed(params)
    flows.check_place(params, context=context)
    if flow := flow_of(params):
        return flow.sample(params, rng, n, context)
    z, context, shape = flows.draw(rng, n, *made.sizes(params["mades"][0])[:2], context)
    return invert(params, z, context, n)[0].reshape(shape)


def loss(params, x, context=None):
    """The mean negative log-density, in nats."""
    return -log_prob(params, x, context).mean()


def loss_and_grad(params, x, context=None):
    """The loss and its gradient, in the tree of params."""
    params = packed(params)
    grads = params.scratch("grads", lambda: empty_like(params))
    return write_grads(params, grads, x, context), grads


def write_grads(params, grads, x, context, dcontext=None):
    """The loss; its gradient goes into grads and, where it is given, the context's into dcontext, (C, N). Both trees packed."""
    x, context = flows.inputs(params, x, context, *made.sizes(params["mades"][0])[:2])
    if flow := flow_of(params):
        return flow.write_grads(params, grads, x, context, dcontext)
    params, n = made.masked(params), len(x)
    works = flows.work_arrays(params, "train", n, context, made.Work)
    z = walk(params, works, x.T)
    if dcontext is not None:
        dcontext[...] = 0
    walk_back(params, works, array_module(z).multiply(z, 1 / n, out=works[-1].dx), -1 / n, grads, dcontext)
    grads.flat *= params.scratch("mask", None)
    return flows.base_loss(z, sum(work.log_sigma.sum() for work in works))
