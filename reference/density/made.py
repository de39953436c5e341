"""MADE: one masked network that gives every conditional of an autoregressive density.

    (1)  p(x|c) = ∏ᵢ N(xᵢ; μᵢ, σᵢ²),   μᵢ and σᵢ functions of x₁ … xᵢ₋₁ and of the context c
    (2)  degrees: 0 for the context, i for the input xᵢ, and 0 … D−1 spread over each hidden layer
    (3)  a hidden unit of degree d sees units of degree ≤ d below it; output i sees hidden units of degree < i
    (4)  log σᵢ = S tanh(aᵢ/S)                      a: the network's second half of outputs
    (5)  zᵢ = (xᵢ − μᵢ)/σᵢ                          data to Gaussian, one pass
    (6)  log|det ∂z/∂x| = −∑ᵢ log σᵢ                the Jacobian is triangular
    (7)  xᵢ = μᵢ + σᵢ zᵢ,  i = 1 … D in turn        Gaussian to data, D passes
    (8)  loss = −(1/N) ∑ₙ log p(xₙ|cₙ),   log p(x|c) = log N(z; 0, I) + (6)

Shapes        N samples, D dimensions, C context; x, z (N, D); context (N, C). Network inputs are (c, x),
              outputs (μ, a).
Conventions   nats. What is static (masks, D, C) follows from the shapes of the parameters. Units are sorted
              by degree.
Source        "MADE: Masked Autoencoder for Distribution Estimation", Germain, Gregor, Murray and Larochelle,
              2015, eqs. 8–13; "Masked Autoregressive Flow for Density Estimation", Papamakarios, Pavlakou and
              Murray, 2017, eqs. 1–4; lecture S3, slides "Masked Autoencoder for Distribution Estimation".
Departures    S3 prints p(x) = ∏ᵢ p(xᵢ | x_{j≠i}); the product of full conditionals is not the joint: j < i is
              right. With a context some hidden units have degree 0 and see it alone, so that the first
              conditional too depends on it through the whole network; degrees that start at 1 would leave it
              constant. (4) bounds log σ, so that neither (5) nor (7) overflows.

Example
-------
>>> import numpy as np
>>> from reference.density import made
>>> params = made.init_params(np.random.default_rng(0), dim=2, hidden=(8,))
>>> made.log_prob(params, np.zeros((1, 2))).round(4)        # starts as the standard normal: −log 2π
array([-1.8379])
"""
import autograd.numpy as np
from autograd import value_and_grad

from reference.nets import dense
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng
from reference.density import flows
from reference.density._help import documented

__all__ = ["init_params", "masks", "conditionals", "forward", "inverse", "log_prob",
           "sample", "loss", "loss_and_grad"]
SHARED = ["S", "network", "sizes"]
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
    layers = [np.concatenate((layer[:1], layer[1:] * mask))
              for layer, mask in zip(layers, _masks(dim, context_dim, hidden))]
    return {"layers": [*layers, np.zeros((hidden[-1] + 1, 2 * dim))]}


def masks(params: Params) -> list[Array]:
    """The masks of the layers' weights, zeros and ones, each (n_in, n_out).

    Parameters
    ----------
    params : tree
        From `init_params`; its shapes decide.
    """
    return masks_of(params["layers"])


def sizes(layers):
    """D, C and the hidden sizes, from the shapes of the layers; a last layer (n_in, n_each, D) has n_each
    outputs for each dimension.
    """
    last, hidden = layers[-1].shape, tuple(layer.shape[1] for layer in layers[:-1])
    dim = last[2] if len(last) == 3 else last[1] // 2
    return dim, layers[0].shape[0] - 1 - dim, hidden


def masks_of(layers):
    dim, context_dim, hidden = sizes(layers)
    return _masks(dim, context_dim, hidden, layers[-1][0].size // dim)


def _masks(dim, context_dim, hidden, n_each=2):
    lowest = 0 if context_dim else min(1, dim - 1)
    below, found = np.concatenate((np.zeros(context_dim, int), np.arange(1, dim + 1))), []
    for n in hidden:
        above = lowest + np.arange(n) * (dim - lowest) // n                       # (2), sorted
        found.append(1.0 * (above[None, :] >= below[:, None]))                    # (3)
        below = above
    outputs = np.tile(np.arange(1, dim + 1), n_each)
    return [*found, 1.0 * (outputs[None, :] > below[:, None])]                    # (3)


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
    mu, a = np.split(network(params["layers"], x, context), 2, axis=1)
    return mu, S * np.tanh(a / S)                                                 # (4)


def network(layers, x, context):
    """The outputs, (N, n_each·D): each of the n_each parameters for all dimensions in turn."""
    h, found = x if context is None else np.concatenate((context, x), axis=1), masks_of(layers)
    for layer, mask in zip(layers[:-1], found):
        h = np.tanh(dense.masked_dense(layer, mask, h))
    return dense.masked_dense(np.reshape(layers[-1], (len(layers[-1]), -1)), found[-1], h)


@documented
def forward(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Array]:
    """Data to Gaussian: z (N, D) and log|det ∂z/∂x| (N,)."""
    mu, log_sigma = conditionals(params, x, context)
    return (x - mu) * np.exp(-log_sigma), -np.sum(log_sigma, axis=1)              # (5), (6)


@documented
def inverse(params: Params, z: Array, context: Array | None = None) -> tuple[Array, Array]:
    """Gaussian to data: x (N, D) and log|det ∂x/∂z| (N,)."""
    x = np.zeros_like(z)
    for i in range(z.shape[1]):
        mu, log_sigma = conditionals(params, x, context)  # columns ≤ i are final from here on
        x = np.concatenate((x[:, :i], mu[:, i:] + np.exp(log_sigma[:, i:]) * z[:, i:]), axis=1)   # (7)
    return x, np.sum(log_sigma, axis=1)


@documented
def log_prob(params: Params, x: Array, context: Array | None = None) -> Array:
    """log p(x|c) in nats, (N,)."""
    x, context = flows.check_inputs(x, context, *sizes(params["layers"])[:2])
    z, log_det = forward(params, x, context)
    return -0.5 * np.sum(z**2, axis=1) - 0.5 * z.shape[1] * np.log(2 * np.pi) + log_det


@documented
def sample(params: Params, rng: Rng, n: int, context: Array | None = None) -> Array:
    """n draws, (n, D); with a context of M rows, n draws for each: (M, n, D)."""
    dim, context_dim, _ = sizes(params["layers"])
    z, context, shape = flows.draw_base(rng, n, dim, context_dim, context)
    return inverse(params, z, context)[0].reshape(shape)


@documented
def loss(params: Params, x: Array, context: Array | None = None) -> Array:
    """The mean negative log-density, in nats."""
    return -np.mean(log_prob(params, x, context))                                 # (8)


@documented
def loss_and_grad(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(loss)(params, x, context)
