"""RealNVP: an exact, invertible density built from affine coupling layers.

A coupling keeps one half of x and shifts and scales the other half by amounts that depend on the kept half
(and on a context c, when the density is conditional); the next one moves the half that this one kept:

    (1)  y₁ = x₁
    (2)  y₂ = x₂ ⊙ exp(s(x₁, c)) + t(x₁, c)
    (3)  s = S tanh(a/S)                              t and a: the two halves of one network's outputs
    (4)  log|det ∂y/∂x| = ∑ⱼ sⱼ(x₁, c)                the Jacobian is triangular
    (5)  x₂ = (y₂ − t(y₁, c)) ⊙ exp(−s(y₁, c))        Gaussian to data: no network is ever inverted
    (6)  log p(x|c) = log N(z; 0, I) + ∑ₖ (4)ₖ,       z = f_K ∘ … ∘ f₁ (x)
    (7)  loss = −(1/N) ∑ₙ log p(xₙ|cₙ)

Both directions take one pass, where an autoregressive flow takes D passes for a sample.

Shapes        N samples, D dimensions, C context, K couplings; x, z (N, D); context (N, C). Network inputs are
              (c, x₁), outputs (t, a).
Conventions   nats; f maps data to the Gaussian. The first coupling and every other one after it keep the
              first ⌊D/2⌋ dimensions, those between keep the rest. D and C follow from the shapes of the
              parameters.
Source        "Density estimation using Real NVP", Dinh, Sohl-Dickstein and Bengio, 2017, eqs. 4–8; lecture
              S1, slides "RealNVPs (Real-valued Non-Volume Preserving)".
Departures    (3) bounds s smoothly, so that neither (2) nor (5) overflows; no batch normalisation, and halves
              in place of checkerboards. With D = 1 there is nothing to keep: a chain of shifts and scales by
              c alone is one of them, so that the flow then is a single coupling, a normal density whose mean
              and width are a network of c.

Example
-------
>>> import numpy as np
>>> from reference.density import realnvp
>>> params = realnvp.init_params(np.random.default_rng(0), dim=2, n_transforms=2, hidden=(8,))
>>> realnvp.log_prob(params, np.zeros((1, 2))).round(4)     # starts as the standard normal: −log 2π
array([-1.8379])
"""
import autograd.numpy as np
from autograd import value_and_grad

from reference.nets import dense
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng
from reference.density import flows
from reference.density._help import documented

__all__ = ["init_params", "forward", "inverse", "log_prob", "log_prob_and_grad", "sample",
           "loss", "loss_and_grad"]

S = 5.0


def init_params(rng: Rng, *, dim: int, context_dim: int = 0, n_transforms: int = 6,
                hidden: tuple = (64, 64)) -> Params:
    """Weights N(0, 1/n_in); the last layer of each network is zero, so that the flow starts as the identity.

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
    return [*dense.init_mlp(rng, (context_dim + n_kept, *hidden)),
            np.zeros((hidden[-1] + 1, 2 * (dim - n_kept)))]


def sizes(params):
    """D and C, from the shapes of the layers: what the first two couplings move is everything."""
    chain = params["couplings"]
    dim = sum(layers[-1].shape[1] // 2 for layers in chain[:2])
    return dim, len(chain[0][0]) - 1 - dim // 2


def halves(x, k):
    """The kept and the moved half of x for coupling k."""
    d = x.shape[1] // 2
    return (x[:, :d], x[:, d:]) if k % 2 == 0 else (x[:, d:], x[:, :d])


def join(kept, moved, k):
    return np.concatenate((kept, moved) if k % 2 == 0 else (moved, kept), axis=1)


def shift_and_scale(layers, kept, context):
    """t and s of (2), each as wide as the moved half."""
    h = kept if context is None else np.concatenate((context, kept), axis=1)
    t, a = np.split(dense.mlp(layers, h), 2, axis=1)
    return t, S * np.tanh(a / S)                                      # (3)


@documented
def forward(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Array]:
    """Data to Gaussian: z (N, D) and log|det ∂z/∂x| (N,)."""
    log_det = 0.0
    for k, layers in enumerate(params["couplings"]):
        kept, moved = halves(x, k)
        t, s = shift_and_scale(layers, kept, context)
        x = join(kept, moved * np.exp(s) + t, k)                      # (1), (2)
        log_det = log_det + np.sum(s, axis=1)                         # (4)
    return x, log_det


@documented
def inverse(params: Params, z: Array, context: Array | None = None) -> tuple[Array, Array]:
    """Gaussian to data: x (N, D) and log|det ∂x/∂z| (N,)."""
    log_det = 0.0
    for k, layers in reversed(list(enumerate(params["couplings"]))):
        kept, moved = halves(z, k)
        t, s = shift_and_scale(layers, kept, context)
        z = join(kept, (moved - t) * np.exp(-s), k)                   # (5)
        log_det = log_det - np.sum(s, axis=1)
    return z, log_det


@documented
def log_prob(params: Params, x: Array, context: Array | None = None) -> Array:
    """log p(x|c) in nats, (N,)."""
    x, context = flows.check_inputs(x, context, *sizes(params))
    z, log_det = forward(params, x, context)
    return -0.5 * np.sum(z**2, axis=1) - 0.5 * z.shape[1] * np.log(2 * np.pi) + log_det       # (6)


@documented
def log_prob_and_grad(params: Params, x: Array,
                      context: Array | None = None) -> tuple[Array, Array, Array | None]:
    """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None without a context."""
    return flows.value_and_row_gradients(log_prob, params, *flows.check_inputs(x, context, *sizes(params)))


@documented
def sample(params: Params, rng: Rng, n: int, context: Array | None = None) -> Array:
    """n draws, (n, D); with a context of M rows, n draws for each: (M, n, D)."""
    z, context, shape = flows.draw_base(rng, n, *sizes(params), context)
    return inverse(params, z, context)[0].reshape(shape)


@documented
def loss(params: Params, x: Array, context: Array | None = None) -> Array:
    """The mean negative log-density, in nats."""
    return -np.mean(log_prob(params, x, context))                     # (7)


@documented
def loss_and_grad(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(loss)(params, x, context)
