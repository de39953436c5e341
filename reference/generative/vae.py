"""Variational autoencoder: data drawn from a few latent numbers by a network, trained on a bound on log p(x).

    (1)  p(x|c) = ∫ p(x|d(c, z)) N(z; 0, I) dz                     d: the decoder; the encoder gives q(z|x, c)
    (2)  loss = −(1/N) ∑ₙ (log p(xₙ|zₙ, cₙ) − β KLₙ)               the terms of `generative.elbo`
    (3)  x ~ p(x|d(c, z)),  z ~ N(0, I)                            a sample

With β = 1 the loss is minus the bound on log p(x|c), whose gap is KL(q(z|x, c) ‖ p(z|x, c)): training raises
the density of the data and brings q to the posterior of z. With a context (labels, physical parameters) that
both networks see beside x and z, it is a conditional VAE.

Shapes        N samples, D features, L latents, C context, M rows of it at a time; x (N, D), z and ε (N, L),
              context (N, C). Encoder (C + D) → hidden … → 2L, decoder (C + L) → … hidden → D; tanh between
              the layers, as in `nets.dense`.
Conventions   nats; one ε for each sample; a smaller β gives the reconstruction more weight. Module functions
              work on scaled x and on the context as it is given; a fitted VAE takes x in its units and
              standardises the context. With a Bernoulli likelihood x is not scaled.
Source        "Auto-encoding variational Bayes", Kingma and Welling, 2014, algorithm 1; β: "beta-VAE: learning
              basic visual concepts with a constrained variational framework", Higgins et al., 2017, eq. 4;
              lectures S0, S1 and S4, slides "Variational AutoEncoder (VAE)", and for the conditional form.

Example
-------
>>> import numpy as np
>>> from reference.generative import vae
>>> rng = np.random.default_rng(0)
>>> params = vae.init_params(rng, dim=3, n_latent=2, hidden=(8,))
>>> x, noise = rng.standard_normal((5, 3)), vae.draw_noise(rng, 5, n_latent=2)
>>> loss, grads = vae.loss_and_grad(params, x, noise)
>>> list(grads), vae.sample(params, rng, 4).shape
(['encoder', 'decoder', 'log_var'], (4, 3))
"""
import os
from collections.abc import Callable
from typing import NamedTuple

import autograd.numpy as np
from autograd import value_and_grad

from reference.density import flows
from reference.generative.elbo import decode, elbo_terms, sizes
from reference.generative.likelihoods import (BERNOULLI, FIXED_GAUSSIAN, GAUSSIAN, Likelihood,
                                              check_likelihood, raw_log_var)
from reference.generative.vae_model import VAE, load, scale_data
from reference.nets import dense
from reference.nets._help import described
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng
from reference.training import minibatch, optim

__all__ = ["VAE", "GAUSSIAN", "FIXED_GAUSSIAN", "BERNOULLI", "init_params", "draw_noise", "loss",
           "loss_and_grad", "sample", "fit", "load"]

documented = described("""
params : tree
    From `init_params`, or trained.
rng : Generator
n : int
    Number of draws, zero or more.
x : (N, D) float
noise : (N, L) float
    ε, standard normal.
context : (N, C) or (M, C) float, optional
    c, a row for each sample, or for each n draws; None for a model without a context.
beta : float
    β, zero or above.
likelihood : Likelihood
    GAUSSIAN, FIXED_GAUSSIAN or BERNOULLI, from `generative.likelihoods`.
mean_only : bool
    Leave the noise of the likelihood out: means of x at random z.
""", raises="If an array has another shape, the context is missing or not asked for, or n or β is negative.")


def init_params(rng: Rng, *, dim: int, n_latent: int, context_dim: int = 0, hidden: tuple = (128, 64),
                likelihood: Likelihood = GAUSSIAN, sigma: float = 1.0) -> Params:
    """Encoder and decoder with random weights, and σ where the likelihood has one.

    Parameters
    ----------
    rng : Generator
    dim, n_latent, context_dim : int
        D, L and C.
    hidden : tuple of int
        The encoder's hidden layers, the decoder's in reverse; () makes each a single affine layer.
    likelihood : Likelihood
    sigma : float
        The Gaussian's σ, in the units of the scaled x: the start of a learnt one. Between e⁻⁸ and e⁸.

    Raises
    ------
    ValueError
        If an argument is not as above.
    """
    for name, counts in {"dim": [dim], "n_latent": [n_latent], "hidden": hidden}.items():
        for count in counts:
            checks.check_count(name, count)
    checks.check_count("context_dim", context_dim, least=0)
    check_likelihood(likelihood)
    params = {"encoder": dense.init_mlp(rng, (context_dim + dim, *hidden, 2 * n_latent)),
              "decoder": dense.init_mlp(rng, (context_dim + n_latent, *hidden[::-1], dim))}
    return params | {"log_var": np.array([raw_log_var(sigma)])} if likelihood.has_sigma else params


def draw_noise(rng: Rng, n: int, *, n_latent: int) -> Array:
    """ε for n samples, (n, L)."""
    return rng.standard_normal((n, n_latent))


@documented
def loss(params: Params, x: Array, noise: Array, context: Array | None = None, *, beta: float = 1.0,
         likelihood: Likelihood = GAUSSIAN) -> Array:
    """The mean of −log p(x|z, c) + β KL, in nats."""
    log_likelihood, kl = elbo_terms(params, x, noise, context, likelihood=likelihood)
    return -np.mean(log_likelihood - check_beta(beta) * kl)                                     # (2)


@documented
def loss_and_grad(params: Params, x: Array, noise: Array, context: Array | None = None, *, beta: float = 1.0,
                  likelihood: Likelihood = GAUSSIAN) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(loss)(params, x, noise, context, beta=beta, likelihood=likelihood)


@documented
def sample(params: Params, rng: Rng, n: int, context: Array | None = None, *,
           likelihood: Likelihood = GAUSSIAN, mean_only: bool = False) -> Array:
    """n draws of x, (n, D); with a context of M rows, n draws for each: (M, n, D)."""
    dim, n_latent, context_dim = sizes(params)
    z, context, shape = flows.draw_base(rng, n, n_latent, context_dim, context)
    f = decode(params, z, context)
    x = likelihood.mean(f) if mean_only else likelihood.draw(rng, f, params.get("log_var"))     # (3)
    return x.reshape(*shape[:-1], dim)


class Objective(NamedTuple):
    """The loss with its settings, as training calls it: a batch of x, and of the context, then ε."""
    n_latent: int
    beta: float
    likelihood: Likelihood

    def draw_noise(self, rng, n):
        return draw_noise(rng, n, n_latent=self.n_latent)

    def loss(self, params, x, *rest):
        *context, noise = rest
        return loss(params, x, noise, *context, beta=self.beta, likelihood=self.likelihood)

    def loss_and_grad(self, params, x, *rest):
        *context, noise = rest
        return loss_and_grad(params, x, noise, *context, beta=self.beta, likelihood=self.likelihood)


def fit(x: Array, *, n_latent: int, rng: Rng, context: Array | None = None, likelihood: Likelihood = GAUSSIAN,
        sigma: float | None = None, beta: float = 1.0, hidden: tuple = (128, 64), learning_rate: float = 3e-3,
        batch_size: int = 64, max_epochs: int = 200, patience: int = 40, validation_fraction: float = 0.1,
        schedule: Callable = optim.cosine, checkpoint: str | os.PathLike | None = None,
        progress: bool = False) -> VAE:
    """A VAE trained on x.

    Parameters
    ----------
    x : (N, D) float
        At least two samples, not all alike; between 0 and 1 for a Bernoulli likelihood.
    rng : Generator
        Draws the first weights, then splits, shuffles, and draws ε.
    context : (N, C) float, optional
        Labels (one-hot) or physical parameters of each sample, in any units.
    likelihood : Likelihood
    sigma : float, optional
        The Gaussian's σ in the units of x: a fixed one's, or where a learnt one starts (at x's scale).
    n_latent, beta, hidden
        As for `init_params` and `loss`.
    learning_rate, batch_size, max_epochs, patience, validation_fraction, schedule, checkpoint, progress
        Those of `training.minibatch.train`.

    Raises
    ------
    ValueError
        If an argument is not as above, or the data are not finite.
    """
    data, mean, scale, context_scaling = scale_data(x, context, likelihood)
    if likelihood is FIXED_GAUSSIAN and sigma is None:
        raise ValueError("sigma: expected a positive number with a fixed Gaussian, got None")
    objective = Objective(n_latent, check_beta(beta), likelihood)
    params = init_params(rng, dim=data[0].shape[1], context_dim=0 if context is None else data[1].shape[1],
                         n_latent=n_latent, hidden=hidden, likelihood=likelihood,
                         sigma=1.0 if sigma is None else checks.check_positive("sigma", sigma) / scale)
    trained = minibatch.train(objective, params, data, rng=rng, learning_rate=learning_rate,
                              batch_size=batch_size, max_epochs=max_epochs, patience=patience,
                              validation_fraction=validation_fraction, schedule=schedule,
                              checkpoint=checkpoint, progress=progress)
    return VAE(trained.params, mean, scale, context_scaling, likelihood, trained.history)


def check_beta(beta):
    """β as it is, or a ValueError unless it is a finite number, zero or above."""
    number = isinstance(beta, (int, float, np.integer, np.floating)) and not isinstance(beta, bool)
    if not number or not 0 <= beta < np.inf:
        raise ValueError(f"beta: expected a finite number, zero or above, got {beta!r}")
    return beta
