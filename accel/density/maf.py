"""Masked autoregressive flow: a chain of MADEs, each seeing the dimensions in the opposite order of the one
before.

The mathematics is in `reference.density.maf`. Same values; array code walks through the chain on borrowed
work arrays (`accel.density.made.Flow`), on a device one kernel does (`kernels/maf`), and the gradient is one
walk back through it, the reversals being views:

    dz_K = z/N,  dℓ = −1/N for every MADE                 from (3) and (5)
    dz_{k−1} = r (backward through f_k)(dz_k, dℓ)         from (1)
    dc = ∑ₖ (the context's gradient of f_k)               every MADE is fed the same c

and the gradients of log p itself, row by row, are the same walk from dz_K = −z, dℓ = 1, which leaves the
parameters alone.

Example
-------
>>> import numpy as np
>>> from accel.density import maf
>>> params = maf.init_params(np.random.default_rng(0), dim=2, n_transforms=2, hidden=(8,))
>>> maf.log_prob(params, np.zeros((1, 2))).round(4)         # starts as the standard normal: −log 2π
array([-1.8379])
"""
import functools

from accel.density import flows, made
from accel.density._help import documented
from accel.device import array_module
from accel.kernels.maf import launch as maf_kernel
from accel.nets import dense
from accel.runtime import checks
from accel.runtime._vector import bound
from accel.runtime.protocols import Array, Params, Rng

__all__ = ["init_params", "forward", "inverse", "log_prob", "log_prob_and_grad", "sample",
           "loss", "loss_and_grad"]
SHARED = ["flow_of", "fused", "write_grads"]
__all__ += SHARED


def init_params(rng: Rng, *, dim: int, context_dim: int = 0, n_transforms: int = 5,
                hidden: tuple = (50, 50)) -> Params:
    """K MADEs that all start as the identity.

    Parameters
    ----------
    rng : Generator
        Where the weights come from.
    dim, context_dim : int
        D and C.
    n_transforms : int
        K.
    hidden : tuple of int
        Units of each hidden layer of every MADE.
    """
    checks.check_count("n_transforms", n_transforms)
    return {"mades": [made.init_params(rng, dim=dim, context_dim=context_dim, hidden=hidden)["layers"]
                      for _ in range(n_transforms)]}


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
    flow, _ = flow_of(params)
    return flow.step(*data) if isinstance(flow, flows.InKernels) else None


_flow = functools.lru_cache(maxsize=64)(made.Flow)


def flow_of(params):
    """The flow that these parameters have, in kernels or in array code, and the parameters with their
    vector.
    """
    params = bound(params)
    shapes, xp = tuple([dense.shapes_of(layers) for layers in params["mades"]]), array_module(params.flat)
    kernel = maf_kernel.flow_of(xp, params.flat.dtype, shapes, bound=made.S)
    return flows.InKernels(kernel) if kernel else _flow(xp, params.flat.dtype, shapes), params
