"""Likelihood-to-evidence ratio: the logit of a classifier of matched and mismatched pairs (θ, x).

    (1)  label 1: (u, c) ~ p(u, c);   label 0: (u, c) ~ p(u) p(c)             matched and mismatched pairs
    (2)  d*(u, c) = p(u, c) / (p(u, c) + p(u) p(c))                           the classifier with least (7)
    (3)  r(u, c) = d*/(1 − d*) = p(u, c) / (p(u) p(c)) = p(u|c)/p(u)          the ratio that it contains
    (4)  f(u, c) = log r = logit d*,   d = s(f) = 1/(1 + e⁻ᶠ)                 what a network learns

A network could give d, but d rounds to 0 or 1 where |log r| is large, and the ratio is lost. The logit has no
such limit. Here it is the ratio of a linear regression, and a network for what differs from it:

    (5)  log r₀(u, c) = log N(u; [1, c] A, L Lᵀ) − log p(u)                   u regressed on c
    (6)  f(u, c) = log r₀ + h₀ + hᵀc,   (h₀, h) = n_φ([u, v, c]),   v = L⁻¹(u − [1, c] A)

Where the noise of the data is normal and independent of θ, log p(x|θ) is linear in x but for a term of x
alone, as is (6). The losses are cross-entropies for N matched pairs, whose parameters are also paired with
other data:

    (7)  loss = −(1/2N) ∑ⱼ [log s(f(uⱼ, cⱼ)) + log(1 − s(f(uⱼ₊₁, cⱼ)))]
    (8)  loss = −(1/2N) ∑ⱼ [log e^fⱼ₀/(K + ∑ₖ₌₀ᴷ⁻¹ e^fⱼₖ) + log K/(K + ∑ₖ₌₁ᴷ e^fⱼₖ)],   fⱼₖ = f(uⱼ₊ₖ, cⱼ)
    (9)  λ (⟨s(fⱼ₀)⟩ + ⟨s(fⱼₖ)⟩ₖ₌₁… − 1)²                                      may be added to either

In (8) the classifier finds the matched parameters among K candidates, or says that none of K matches. (8) is
(7) for K = 1, and log r minimises it for every K. (9) is zero for log r; it penalises a classifier that is
too confident.

Shapes        N pairs, P unconstrained parameters u = T(θ), C context numbers c = c(x), K mismatches.
Conventions   nats. The mismatched parameters of row j are those of the K rows after it, and the first row
              follows the last: rows must come in random order, as in training. The loss has no other
              randomness.
Source        (2)–(4), (7) "Likelihood-free MCMC with amortized approximate ratio estimators", Hermans, Begy
              and Louppe, 2020; (8) "Contrastive neural ratio estimation", Miller, Weniger and Forré, 2022,
              with γ = 1; (9) "Towards reliable simulation-based inference with balanced neural ratio
              estimation", Delaunoy et al., 2022; lecture S3, slides "Neural Ratio Estimation (NRE)".
Departures    S3 prints (7) without its minus sign, and from probabilities, whose logarithm underflows: here
              from logits. (5), and hᵀc in (6), are not in the papers.

Example
-------
>>> import numpy as np
>>> from reference.inference import ratio
>>> from reference.preprocessing.regression import Regression
>>> from reference.priors import Normal
>>> exact = Regression(np.array([[0.0], [0.8]]), np.array([[0.2**0.5]]))   # u ~ N(0, 1), c = u + ½ noise
>>> params = ratio.init_params(np.random.default_rng(0), dim=1, context_dim=1)
>>> u, c = np.array([[0.5], [-2.0]]), np.array([[0.7]])
>>> print(ratio.log_ratio(params, u, c, prior=Normal([0.0], [1.0]), regression=exact).round(3))
[  0.921 -13.579]
"""
from functools import partial

import autograd.numpy as np
from autograd import make_vjp, value_and_grad

from reference.inference.cross_entropy import cross_entropy, imbalance
from reference.inference.inputs import check_pairs
from reference.nets import dense
from reference.preprocessing.regression import Regression
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Prior, Rng

__all__ = ["init_params", "linear_log_ratio", "log_ratio", "log_ratio_and_grad", "loss", "loss_and_grad"]


def init_params(rng: Rng, *, dim: int, context_dim: int, hidden: tuple[int, ...] = (64, 64, 64)) -> Params:
    """Weights N(0, 1/n_in); the last layer is zero, so that training starts from (5).

    Parameters
    ----------
    rng : Generator
    dim, context_dim : int
        P and C.
    hidden : tuple of int
        The hidden sizes of the network, one or more.

    Raises
    ------
    ValueError
        If there is no hidden layer.
    """
    checks.check_count("hidden: number of layers", len(hidden))
    layers = dense.init_mlp(rng, (2 * dim + context_dim, *hidden))
    return {"layers": [*layers, np.zeros((hidden[-1] + 1, 1 + context_dim))]}


def residual(u, c, regression):
    """v, (N, P): what the regression leaves of u, whitened."""
    return (u - regression.mean(c)) @ np.linalg.inv(regression.factor).T


def linear_log_ratio(u: Array, c: Array, *, prior: Prior, regression: Regression) -> Array:
    """log r₀ of each pair, (N,), in nats.

    Parameters
    ----------
    u : (N, P) float
        Unconstrained parameters.
    c : (N, C) or (1, C) float
        The context of each, or one context for all.
    prior
        From `priors`: gives log p(u).
    regression : Regression
        Of u on c.
    """
    log_normal = -0.5 * np.sum(residual(u, c, regression)**2 + np.log(2 * np.pi), axis=1) + regression.log_det
    return log_normal - prior.unconstrained_log_prob(u)                                   # (5)


def log_ratio(params: Params, u: Array, c: Array, *, prior: Prior, regression: Regression) -> Array:
    """The logit f of each pair, (N,), in nats.

    Parameters
    ----------
    params : tree
        From `init_params`.
    u, c, prior, regression
        As in `linear_log_ratio`.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    u, c = check_pairs(params, u, c)
    return logit(params, u, c, prior, regression)


def logit(params, u, c, prior, regression):
    v, c = residual(u, c, regression), c + np.zeros((len(u), 1))
    h = dense.mlp(params["layers"], np.concatenate((u, v, c), axis=1))
    log_r0 = linear_log_ratio(u, c, prior=prior, regression=regression)
    return log_r0 + h[:, 0] + np.sum(h[:, 1:] * c, axis=1)                                # (6)


def log_ratio_and_grad(params: Params, u: Array, c: Array, *, prior: Prior,
                       regression: Regression) -> tuple[Array, Array]:
    """The logit of each pair, (N,), and its gradient with respect to u, (N, P).

    Parameters
    ----------
    params, u, c, prior, regression
        As in `log_ratio`.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    u, c = check_pairs(params, u, c)
    vjp, f = make_vjp(lambda u: logit(params, u, c, prior, regression))(u)
    return f, vjp(np.ones_like(f))


def loss(params: Params, u: Array, c: Array, *, prior: Prior, regression: Regression, n_contrastive: int = 5,
         balance: float = 0.0) -> Array:
    """(8) + (9) for matched rows, in nats.

    Parameters
    ----------
    params : tree
        From `init_params`.
    u : (N, P) float
        Unconstrained parameters, two rows or more, in random order.
    c : (N, C) float
        The context of each.
    prior, regression
        As in `linear_log_ratio`.
    n_contrastive : int
        K, lowered to N − 1, the number of other rows.
    balance : float
        λ.

    Raises
    ------
    ValueError
        If the shapes do not fit or there is only one row.
    """
    u, c = check_pairs(params, u, c, matched=True)
    pairs = range(min(n_contrastive, len(u) - 1) + 1)
    f = np.stack([logit(params, np.roll(u, -k, axis=0), c, prior, regression) for k in pairs])
    return cross_entropy(f) + balance * imbalance(f)**2                                       # (8), (9)


def loss_and_grad(params: Params, u: Array, c: Array, *, prior: Prior, regression: Regression,
                  n_contrastive: int = 5, balance: float = 0.0) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params.

    Parameters
    ----------
    params, u, c, prior, regression, n_contrastive, balance
        As in `loss`.

    Raises
    ------
    ValueError
        If the shapes do not fit or there is only one row.
    """
    settings = {"prior": prior, "regression": regression, "n_contrastive": n_contrastive, "balance": balance}
    return value_and_grad(partial(loss, **settings))(params, u, c)
