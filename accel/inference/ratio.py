"""Likelihood-to-evidence ratio: the logit of a classifier of matched and mismatched pairs (θ, x).

The mathematics is in `reference.inference.ratio`. Same values; a pair's parameters and data are brought to
rows, which hold what the classifier needs of each, and the logits, losses and gradients of rows are in
`_ratio_rows`, with the derivation. `inference.nre` makes the rows once and trains on them.

Example
-------
>>> import numpy as np
>>> from accel.inference import ratio
>>> from accel.preprocessing.regression import Regression
>>> from accel.priors import Normal
>>> exact = Regression(np.array([[0.0], [0.8]]), np.array([[0.2**0.5]]))   # u ~ N(0, 1), c = u + ½ noise
>>> params = ratio.init_params(np.random.default_rng(0), dim=1, context_dim=1)
>>> u, c = np.array([[0.5], [-2.0]]), np.array([[0.7]])
>>> print(ratio.log_ratio(params, u, c, prior=Normal([0.0], [1.0]), regression=exact).round(3))
[  0.921 -13.579]
"""
from accel.device import array_module
from accel.inference import _ratio_rows as rows
from accel.inference.inputs import check_pairs
from accel.nets import dense
from accel.preprocessing.regression import Regression
from accel.runtime import checks
from accel.runtime._vector import empty_like, plain
from accel.runtime.protocols import Array, Params, Prior, Rng

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
    last = array_module(layers[0]).zeros((hidden[-1] + 1, 1 + context_dim), dtype=layers[0].dtype)
    return {"layers": [*layers, last]}


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
    theta_rows, x_rows = rows.theta_rows_of(prior, regression, u), rows.x_rows_of(regression, c)
    return rows.linear_log_ratio(theta_rows, x_rows)                                              # (5)


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
    theta_rows, x_rows = rows.theta_rows_of(prior, regression, u), rows.x_rows_of(regression, c)
    return rows.log_ratio(params, theta_rows, x_rows)                                             # (6)


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
    theta_rows, x_rows = rows.theta_rows_of(prior, regression, u), rows.x_rows_of(regression, c)
    f, drows = rows.log_ratio_and_grad(params, theta_rows, x_rows)                                # (6)
    return f, rows.grad_in_u(prior, rows.inverse_of(regression), u, drows)


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
    theta_rows, x_rows = rows.theta_rows_of(prior, regression, u), rows.x_rows_of(regression, c)
    return rows.loss(params, theta_rows, x_rows, n_contrastive=n_contrastive, balance=balance)    # (8), (9)


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
    u, c = check_pairs(params, u, c, matched=True)
    theta_rows, x_rows = rows.theta_rows_of(prior, regression, u), rows.x_rows_of(regression, c)
    grads = empty_like(params)
    value = rows.write_grads(params, grads, theta_rows, x_rows, n_contrastive=n_contrastive, balance=balance)
    return value, plain(grads)
