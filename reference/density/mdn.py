"""Mixture density network: a network of the context that answers with a whole mixture of normal densities.

    (1)  p(x|c) = ∑ₖ πₖ(c) N(x; μₖ(c), Σₖ(c))
    (2)  h = network(c),   α = head_α(h),  μ = head_μ(h),  a = head_a(h),  L = head_L(h)   (affine)
    (3)  log πₖ = αₖ − log ∑ⱼ exp αⱼ
    (4)  s = S tanh(a/S)                           log of a width, bounded smoothly: e⁻ˢ and eˢ never overflow
    (5)  rₖ = e^{−sₖ} ⊙ (I + Lₖ)(x − μₖ),   Σₖ⁻¹ = (I + Lₖ)ᵀ diag(e^{−2sₖ}) (I + Lₖ)
    (6)  log N(x; μₖ, Σₖ) = −½ ‖rₖ‖² − ∑ᵢ sₖᵢ − ½ D log 2π
    (7)  log p(x|c) = log ∑ₖ exp(log πₖ + (6)ₖ)
    (8)  xᵢ = μᵢ + e^{sᵢ} rᵢ − ∑_{j<i} Lᵢⱼ (xⱼ − μⱼ),   k ~ π, r ~ N(0, I)       a sample, one i after another
    (9)  loss = −(1/N) ∑ₙ log p(xₙ|cₙ)

L is strictly lower triangular: eˢᵢ is the width of xᵢ once x₁ … xᵢ₋₁ are known, −Lᵢⱼ the regression of xᵢ on
xⱼ. Every covariance matrix is one such (s, L), and L = 0 makes it diagonal.

Shapes        N samples, D dimensions, C context, K components, H the network's outputs, P = D(D − 1)/2; x
              (N, D); c (N, C); heads (H + 1, K), (H + 1, D, K), (H + 1, D, K), (H + 1, P, K), rows of L in
              order.
Conventions   nats. S = 7: widths lie between e⁻⁷ and e⁷; standardise the data. There is no head L where Σ is
              diagonal or D = 1, and no network without a context c: each head is then its bias.
Source        "Mixture density networks", Bishop, 1994, eqs. 20–29; "Joint mean-covariance models",
              Pourahmadi, 1999 (the factors of (5)); lecture S1, slides on mixture density networks.
Departures    S1's components are normal densities in one dimension, with a width that may shrink to zero.

Example
-------
>>> import numpy as np
>>> from reference.density import mdn
>>> params = mdn.init_params(np.random.default_rng(0), dim=2, context_dim=1, n_components=3, hidden=(8,))
>>> mdn.components(params, np.array([[0.5]])).weights.round(4)              # starts with equal weights
array([[0.3333, 0.3333, 0.3333]])
"""
from collections.abc import Callable
from typing import NamedTuple

import autograd.numpy as np
from autograd import value_and_grad

from reference.nets import dense
from reference.numerics.log_sum_exp import log_sum_exp
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng
from reference.density import flows
from reference.density._help import documented

__all__ = ["Covariance", "FULL", "DIAGONAL", "Components", "init_params", "components", "log_prob",
           "log_prob_and_grad", "sample", "loss", "loss_and_grad"]

S = 7.0


class Covariance(NamedTuple):
    """What the covariances may be: how many numbers L holds in D dimensions."""
    name: str
    n_couplings: Callable


FULL = Covariance("full", lambda dim: dim * (dim - 1) // 2)
DIAGONAL = Covariance("diagonal", lambda dim: 0)


class Components(NamedTuple):
    """The mixture for each row of the context: weights (N, K), means (N, K, D), covariances (N, K, D, D)."""
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def init_params(rng: Rng, *, dim: int, context_dim: int = 0, n_components: int = 8,
                hidden: tuple = (50, 50), covariance: Covariance = FULL) -> Params:
    """Network weights N(0, 1/n_in); heads of zeros, but for means N(0, I), so that components differ.

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
    for name, n, least in (("dim", dim, 1), ("context_dim", context_dim, 0),
                           ("n_components", n_components, 1)):
        checks.check_count(name, n, least=least)
    if covariance not in (FULL, DIAGONAL):
        raise ValueError(f"covariance: expected FULL or DIAGONAL, got {covariance!r}")
    sizes = (context_dim, *hidden) if context_dim else (0,)
    layers, n_couplings, n_in = dense.init_mlp(rng, sizes), covariance.n_couplings(dim), sizes[-1] + 1
    shapes = {"weights": (), "means": (dim,), "widths": (dim,)}
    shapes |= {"couplings": (n_couplings,)} if n_couplings else {}
    heads = {name: np.zeros((n_in, *shape, n_components)) for name, shape in shapes.items()}
    heads["means"][0] = rng.standard_normal((dim, n_components))
    return {"layers": layers, "heads": heads}


def sizes_of(params):
    """D and C, from the shapes of the parameters."""
    heads, layers = params["heads"], params["layers"]
    return heads["means"].shape[1], len(layers[0] if layers else heads["weights"]) - 1


def mixture(params, context):
    """log π (N, K), μ and s (N, D, K), and L (N, P, K) or None; N = 1 where there is no context."""
    h = np.zeros((1, 0)) if context is None else context
    for layer in params["layers"]:
        h = np.tanh(dense.dense(layer, h))

    def answer(head):
        out = dense.dense(np.reshape(head, (len(head), -1)), h)                                       # (2)
        return np.reshape(out, (len(h), *head.shape[1:]))
    heads = params["heads"]
    alpha = answer(heads["weights"])
    log_pi = alpha - log_sum_exp(alpha)[:, None]                      # (3)
    s = S * np.tanh(answer(heads["widths"]) / S)                      # (4)
    return log_pi, answer(heads["means"]), s, answer(heads["couplings"]) if "couplings" in heads else None


def below(i):
    return slice(i * (i - 1) // 2, i * (i + 1) // 2)                  # where Lᵢⱼ, j < i, stand among all


def whiten(x, mu, s, coupling):
    """r of (5), (N, D, K)."""
    d = x[:, :, None] - mu
    if coupling is not None:
        rows = [d[:, i] + np.sum(coupling[:, below(i)] * d[:, :i], axis=1) for i in range(d.shape[1])]
        d = np.stack(rows, axis=1)
    return np.exp(-s) * d                                             # (5)


@documented
def log_prob(params: Params, x: Array, context: Array | None = None) -> Array:
    """log p(x|c) in nats, (N,)."""
    x, context = flows.check_inputs(x, context, *sizes_of(params))
    log_pi, mu, s, coupling = mixture(params, context)
    r = whiten(x, mu, s, coupling)
    log_normal = -0.5 * np.sum(r**2, axis=1) - np.sum(s, axis=1) - 0.5 * x.shape[1] * np.log(2 * np.pi)  # (6)
    return log_sum_exp(log_pi + log_normal)                           # (7)


@documented
def log_prob_and_grad(params: Params, x: Array,
                      context: Array | None = None) -> tuple[Array, Array, Array | None]:
    """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None without a context."""
    return flows.value_and_row_gradients(log_prob, params, *flows.check_inputs(x, context, *sizes_of(params)))


def components(params: Params, context: Array | None = None) -> Components:
    """The mixture for each row of the context; one row where there is none.

    Parameters
    ----------
    params : tree
        From `init_params`, or trained.
    context : (N, C) float, optional
        What it is conditioned on.
    """
    dim, context_dim = sizes_of(params)
    n = 1 if context is None else len(context)
    _, context = flows.check_inputs(np.zeros((n, dim)), context, dim, context_dim)
    log_pi, mu, s, coupling = mixture(params, context)
    columns = [whiten(np.tile(e, (n, 1)), np.zeros_like(mu), s, coupling) for e in np.eye(dim)]
    spread = np.linalg.inv(np.stack(columns, axis=-1).transpose(0, 2, 1, 3))       # of e^{−s} ⊙ (I + L)
    return Components(np.exp(log_pi), mu.transpose(0, 2, 1), spread @ spread.transpose(0, 1, 3, 2))


@documented
def sample(params: Params, rng: Rng, n: int, context: Array | None = None) -> Array:
    """n draws, (n, D); with a context of M rows, n draws for each: (M, n, D)."""
    r, context, shape = flows.draw_base(rng, n, *sizes_of(params), context)
    log_pi, mu, s, coupling = mixture(params, context)
    k = np.sum(rng.random(len(r))[:, None] >= np.cumsum(np.exp(log_pi), axis=1)[:, :-1], axis=1)

    def pick(answer):
        answer = np.broadcast_to(answer, (len(r), *answer.shape[1:]))
        return np.take_along_axis(answer, k[:, None, None], axis=2)[:, :, 0]
    mu, d = pick(mu), pick(np.exp(s)) * r
    if coupling is not None:
        coupling = pick(coupling)
        for i in range(d.shape[1]):
            d[:, i] -= np.sum(coupling[:, below(i)] * d[:, :i], axis=1)
    return (mu + d).reshape(shape)                                    # (8)


@documented
def loss(params: Params, x: Array, context: Array | None = None) -> Array:
    """The mean negative log-density, in nats."""
    return -np.mean(log_prob(params, x, context))                     # (9)


@documented
def loss_and_grad(params: Params, x: Array, context: Array | None = None) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(loss)(params, x, context)
