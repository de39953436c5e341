"""Masked autoregressive flow: a chain of MADEs, each seeing the dimensions in the opposite order of the one
before.

    (1)  z = f_K ∘ r ∘ f_{K−1} ∘ … ∘ r ∘ f₁ (x),   f_k a MADE's map to Gaussian, r reverses the dimensions
    (2)  log|det ∂z/∂x| = ∑ₖ log|det ∂f_k|                    r permutes, which changes no volume
    (3)  log p(x|c) = log N(z; 0, I) + (2)
    (4)  x = f₁⁻¹ ∘ r ∘ … ∘ r ∘ f_K⁻¹ (z)                     D passes through each MADE
    (5)  loss = −(1/N) ∑ₙ log p(xₙ|cₙ)

One MADE can only skew each conditional through its mean and width; what it leaves non-Gaussian the next one
maps again, in the other order, so that every dimension is modelled with and without every other one before
it.

Shapes        N samples, D dimensions, C context, K transforms; x, z (N, D); context (N, C).
Conventions   nats; f maps data to the Gaussian. Every MADE is fed the same context.
Source        "Masked Autoregressive Flow for Density Estimation", Papamakarios, Pavlakou and Murray, 2017,
              sections 3.1–3.4; lecture S3, slides "Masked Autoregressive Flow (MAF)" and "Conditional MAF".
Departures    no batch normalisation between the MADEs: the data are standardised once, and log σ is bounded
              (see made).

Example
-------
>>> import numpy as np
>>> from reference.density import maf
>>> params = maf.init_params(np.random.default_rng(0), dim=2, n_transforms=2, hidden=(8,))
>>> maf.log_prob(params, np.zeros((1, 2))).round(4)         # starts as the standard normal: −log 2π
array([-1.8379])
"""
import autograd.numpy as np
from autograd import value_and_grad

from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng
from reference.density import flows, made
from reference.density._help import documented

__all__ = ["init_params", "forward", "inverse", "log_prob", "log_prob_and_grad", "sample",
           "loss", "loss_and_grad"]


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
    log_det = 0.0
    for k, layers in enumerate(params["mades"]):
        if k:
            x = x[:, ::-1]                                            # r of (1)
        x, log_det_k = made.forward({"layers": layers}, x, context)
        log_det = log_det + log_det_k                                 # (2)
    return x, log_det


@documented
def inverse(params: Params, z: Array, context: Array | None = None) -> tuple[Array, Array]:
    """Gaussian to data: x (N, D) and log|det ∂x/∂z| (N,)."""
    log_det = 0.0
    for k, layers in reversed(list(enumerate(params["mades"]))):
        z, log_det_k = made.inverse({"layers": layers}, z, context)   # (4)
        log_det = log_det + log_det_k
        if k:
            z = z[:, ::-1]
    return z, log_det


@documented
def log_prob(params: Params, x: Array, context: Array | None = None) -> Array:
    """log p(x|c) in nats, (N,)."""
    x, context = flows.check_inputs(x, context, *made.sizes(params["mades"][0])[:2])
    z, log_det = forward(params, x, context)
    return -0.5 * np.sum(z**2, axis=1) - 0.5 * z.shape[1] * np.log(2 * np.pi) + log_det       # (3)


@documented
def log_prob_and_grad(params: Params, x: Array,
                      context: Array | None = None) -> tuple[Array, Array, Array | None]:
    """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None without a context."""
    return flows.value_and_row_gradients(log_prob, params,
                                         *flows.check_inputs(x, context, *made.sizes(params["mades"][0])[:2]))


@documented
def sample(params: Params, rng: Rng, n: int, context: Array | None = None) -> Array:
    """n draws, (n, D); with a context of M rows, n draws for each: (M, n, D)."""
    dim, context_dim, _ = made.sizes(params["mades"][0])
    z, context, shape = flows.draw_base(rng, n, dim, context_dim, context)
    return inverse(params, z, context)[0].reshape(shape)


@documented
def loss(params: Params, x: Array, context: Array | None = None) -> Array:
    """The mean negative log-density, in nats."""
    return -np.mean(log_prob(params, x, context))                     # (5)


@documented
def loss_and_grad(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(loss)(params, x, context)
