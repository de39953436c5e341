"""Neural ratio estimation: the logit of a classifier, trained on simulations, takes the likelihood's place.

    (1)  log r(x, θ) = f(u, c),   u = T(θ),  c = c(x)         the logit of a classifier (inference.ratio)
    (2)  p(θ|x) = r(x, θ) p(θ)
    (3)  ∫ r(x, θ) p(θ) dθ = 1                                not enforced by the training: a check of r
    (4)  u ~ ½ p(u) + ½ N(u; [1, c] A, L Lᵀ),   w = r/(½ + ½ r₀)

u is the prior's unconstrained space; c are the data, or their PCA scores, standardised. `fit` trains (1) by
the losses of `inference.ratio`, which derives it, and returns a `Posterior`, which computes (2) and draws
from it by (4) or by a Markov chain: see `inference.nre_posterior`.

Shapes        N simulations, P parameters, D data; θ (N, P), x (N, D).
Conventions   nats.
Source        "Likelihood-free MCMC with amortized approximate ratio estimators", Hermans, Begy and Louppe,
              2020; (4) is a defensive mixture, "Weighted average importance sampling and defensive mixture
              distributions", Hesterberg, 1995; lecture S3, slides "Neural Ratio Estimation (NRE)".
Departures    S3 evaluates the network at an observation that was not scaled like the training data, and uses
              the last network of the training: here c(x) is one function, and the network that is best on
              held-out simulations is used. S3 weighs draws of the prior alone, few of which fall where ten
              parameters are known well.

Example
-------
>>> import numpy as np
>>> from reference import priors
>>> from reference.inference import nre
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

from reference.inference import ratio
from reference.inference.inputs import check_simulations, compress
from reference.inference.nre_posterior import Posterior, load
from reference.preprocessing.regression import fit_regression
from reference.runtime import checks
from reference.runtime.protocols import Array, Prior, Rng
from reference.training import minibatch, optim
from reference.training.inputs import Objective

__all__ = ["Posterior", "fit", "load"]


def fit(prior: Prior, theta: Array, x: Array, *, rng: Rng, n_components: int | None = None,
        n_contrastive: int = 5, balance: float = 0.0, hidden: tuple[int, ...] = (64, 64, 64),
        learning_rate: float = 5e-3, batch_size: int = 200, max_epochs: int = 100, patience: int = 20,
        validation_fraction: float = 0.1, clip_norm: float = 5.0,
        schedule: Callable[[float], float] = optim.one_cycle,
        checkpoint: str | PathLike | None = None, progress: bool = False) -> Posterior:
    """Train a ratio on simulations.

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
    settings |= {"prior": prior, "regression": regression}
    model = Objective(partial(ratio.loss, **settings),
                      partial(ratio.loss_and_grad, **settings))
    trained = minibatch.train(
        model, ratio.init_params(rng, dim=u.shape[1], context_dim=c.shape[1], hidden=hidden), (u, c), rng=rng,
        learning_rate=learning_rate, batch_size=batch_size, max_epochs=max_epochs, patience=patience,
        validation_fraction=validation_fraction, clip_norm=clip_norm, schedule=schedule,
        checkpoint=checkpoint, progress=progress)                                             # (1)
    return Posterior(prior, trained.params, regression, compression, scaling, trained.history)


def check_settings(n_contrastive, balance):
    """K and λ by name, or a ValueError."""
    return {"n_contrastive": checks.check_count("n_contrastive", n_contrastive),
            "balance": balance if balance == 0 else checks.check_positive("balance", balance)}
