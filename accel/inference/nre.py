"""Neural ratio estimation: the logit of a classifier, trained on simulations, takes the likelihood's place.

The mathematics is in `reference.inference.nre`. Same values; everything runs in the dtype and on the device
of the simulations, and what the classifier needs of each θ and x is computed once before training
(`_ratio_rows`).

Example
-------
>>> import numpy as np
>>> from accel import priors
>>> from accel.inference import nre
>>> rng = np.random.default_rng(0)
>>> theta = rng.standard_normal((500, 1))
>>> x = theta + 0.5 * rng.standard_normal((500, 1))
>>> posterior = nre.fit(priors.Normal([0.0], [1.0]), theta, x, rng=rng, hidden=(8,), max_epochs=5)
>>> print(posterior.log_ratio(np.array([[0.8]]), np.array([1.0])).round())          # exact: 1.1
[1.]
"""
from collections.abc import Callable
from functools import partial
from os import PathLike

from accel.device import array_module, put
from accel.inference import _ratio_rows as rows
from accel.inference import ratio
from accel.inference.inputs import check_simulations, compress
from accel.inference.nre_posterior import Posterior, load
from accel.preprocessing.regression import fit_regression
from accel.runtime import checks
from accel.runtime.protocols import Array, Prior, Rng
from accel.training import minibatch, optim
from accel.training.inputs import Objective

__all__ = ["Posterior", "fit", "load"]


def fit(prior: Prior, theta: Array, x: Array, *, rng: Rng, n_components: int | None = None,
        n_contrastive: int = 5, balance: float = 0.0, hidden: tuple[int, ...] = (64, 64, 64),
        learning_rate: float = 5e-3, batch_size: int = 200, max_epochs: int = 100, patience: int = 20,
        validation_fraction: float = 0.1, clip_norm: float = 5.0,
        schedule: Callable[[float], float] = optim.one_cycle,
        checkpoint: str | PathLike | None = None, progress: bool = False) -> Posterior:
    """Train a ratio on simulations; they decide the device and the dtype.

    Parameters
    ----------
    prior
        From `priors`: what theta was drawn from.
    theta : (N, P) float
        Parameters, all inside the prior.
    x : (N, D) float
        The simulated data, row by row.
    rng : Generator
        Initial weights, split and shuffles.
    n_components : int, optional
        Compress the data to this number of PCA scores first. The data must share a unit, as in `npe.fit`.
    n_contrastive : int
        K, the mismatched parameters for each x; 1 is the binary loss.
    balance : float
        λ, the weight of the balancing term; its authors use 100.
    hidden : tuple of int
        The hidden sizes of the network.
    learning_rate, batch_size, max_epochs, patience, validation_fraction, clip_norm
        As in `training.minibatch.train`.
    schedule, checkpoint, progress
        As in `training.minibatch.train`.

    Raises
    ------
    ValueError
        If there are fewer than 20 simulations, numbers are not finite, a theta is outside the prior, or
        shapes or settings do not fit.
    """
    theta, x = check_simulations(prior, theta, x)
    settings = check_settings(n_contrastive, balance)
    u, _ = prior.to_unconstrained(theta)
    compression, scaling, c = compress(x, n_components)
    regression = fit_regression(u, c)
    data = rows.theta_rows_of(prior, regression, u), rows.x_rows_of(regression, c)
    params = ratio.init_params(rng, dim=u.shape[1], context_dim=c.shape[1], hidden=hidden)
    model = Objective(partial(rows.loss, **settings), None, write_grads=partial(rows.write_grads, **settings),
                      fused=partial(rows.fused, **settings))
    trained = minibatch.train(
        model, put(params, array_module(u), u.dtype), data, rng=rng, learning_rate=learning_rate,
        batch_size=batch_size, max_epochs=max_epochs, patience=patience,
        validation_fraction=validation_fraction, clip_norm=clip_norm, schedule=schedule,
        checkpoint=checkpoint, progress=progress)                                             # (1)
    return Posterior(prior, trained.params, regression, compression, scaling, trained.history)


def check_settings(n_contrastive, balance):
    """K and λ by name, or a ValueError."""
    return {"n_contrastive": checks.check_count("n_contrastive", n_contrastive),
            "balance": balance if balance == 0 else checks.check_positive("balance", balance)}
