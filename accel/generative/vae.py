"""Variational autoencoder: data drawn from a few latent numbers by a network, trained on a bound on log p(x).

The mathematics is in `reference.generative.vae`. Same values, where the data live and in their dtype; one set
of work arrays serves both networks (`accel.generative.elbo`), and the gradient is written by hand. With r =
mean(f) − x, which the likelihood leaves in the place of f, b = tanh(a/B) of the encoder's a (ℓ = B b), and v
= σ², 1 for a Bernoulli likelihood, backward through the loss (2), (1/N) ∑ (−log p + β KL):

    df  = r/(N v)                                     Gaussian: ‖r‖²/2v; Bernoulli: mean = d log(1 + e^f)/df
    dv̄  = (1/2N) ∑ₙ (D − ‖rₙ‖²/v)                     v̄ = log v = B tanh(a_v/B)
    da_v = dv̄ (1 − tanh²(a_v/B))                      zero where σ is fixed
    dz  = (decoder)ᵀ df                               its input holds c above z
    dμ  = dz + (β/N) μ                                z = μ + e^{ℓ/2} ⊙ ε, and KL's ½ μ²
    dℓ  = ½ dz ⊙ e^{ℓ/2} ⊙ ε + (β/2N)(e^ℓ − 1)        the same two
    da  = dℓ ⊙ (1 − b²)                               and the encoder's backward pass starts from (dμ, da)

Only e^{ℓ/2} ⊙ ε, e^ℓ − 1 and b are kept beside the networks' own arrays.

Example
-------
>>> import numpy as np
>>> from accel.generative import vae
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

import numpy as np

from accel import device
from accel.density import flows
from accel.device import array_module
from accel.generative.elbo import (borrowed, check_noise, check_x, decode, draw_columns, elbo_terms,
                                   encode_columns, fill_columns, kl_columns, sizes)
from accel.generative.likelihoods import (BERNOULLI, FIXED_GAUSSIAN, GAUSSIAN, B, Likelihood,
                                          check_likelihood, log_prob_columns, raw_log_var)
from accel.generative.vae_model import VAE, load, scale_data
from accel.nets import dense
from accel.nets._help import described
from accel.runtime import checks
from accel.runtime._vector import empty_like, plain
from accel.runtime.protocols import Array, Params, Rng
from accel.training import minibatch, optim

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
    first = params["encoder"][0]
    log_var = array_module(first).full(1, raw_log_var(sigma), first.dtype) if likelihood.has_sigma else None
    return params if log_var is None else params | {"log_var": log_var}


def draw_noise(rng: Rng, n: int, *, n_latent: int) -> Array:
    """ε for n samples, (n, L)."""
    return rng.standard_normal((n, n_latent))


@documented
def loss(params: Params, x: Array, noise: Array, context: Array | None = None, *, beta: float = 1.0,
         likelihood: Likelihood = GAUSSIAN) -> Array:
    """The mean of −log p(x|z, c) + β KL, in nats."""
    log_likelihood, kl = elbo_terms(params, x, noise, context, likelihood=likelihood)
    kl *= check_beta(beta)
    kl -= log_likelihood
    return kl.mean()                                                                            # (2)


@documented
def loss_and_grad(params: Params, x: Array, noise: Array, context: Array | None = None, *, beta: float = 1.0,
                  likelihood: Likelihood = GAUSSIAN) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    grads = empty_like(params)
    return write_grads(params, grads, x, noise, context, beta=beta, likelihood=likelihood), plain(grads)


def write_grads(params, grads, x, noise, context=None, *, beta=1.0, likelihood=GAUSSIAN):
    """The loss; its gradient goes into grads."""
    x, context = check_x(params, x, context)
    n, beta, noise = len(x), check_beta(beta), check_noise(params, noise, (len(x), sizes(params)[1]))
    with borrowed(params, n) as work:
        fill_columns(work, x, context)
        encode_columns(params["encoder"], work)
        draw_columns(work, noise.T)
        df, a_v = dense.forward(params["decoder"], work.decoder), params.get("log_var")
        value = (beta * kl_columns(work) - log_prob_columns(likelihood, work.x, df, a_v)).mean()         # (2)
        if a_v is None:                                               # df holds r from here on
            df *= 1 / n
        else:
            through_sigma(df, a_v, grads["log_var"], likelihood)
        dinput = dense.backward(params["decoder"], work.decoder, df, grads["decoder"], need_dx=True)
        dout = through_q(work, dinput[len(work.context):], beta / n)
        dense.backward(params["encoder"], work.encoder, dout, grads["encoder"])
        return value


def through_sigma(r, a_v, da_v, likelihood):
    """Turn r (D, n) into df, and write da_v."""
    xp, (dim, n) = array_module(r), r.shape
    b = xp.tanh(a_v / B)
    precision = xp.exp(-B * b)
    if likelihood.learns_sigma:
        xp.multiply(0.5 * (dim - xp.vdot(r, r) * precision / n), 1 - b * b, out=da_v)
    else:
        da_v[...] = 0
    precision /= n
    r *= precision


def through_q(work, dz, weight):
    """(dμ, da) from dz (L, n) and the KL's weight β/N, (2L, n)."""
    xp, n_latent = array_module(dz), len(dz)
    dmean, da = work.dout[:n_latent], work.dout[n_latent:]
    xp.multiply(work.mean, weight, out=dmean)
    dmean += dz
    work.excess *= weight
    xp.multiply(dz, work.moved, out=da)
    da += work.excess
    xp.multiply(work.bound, work.bound, out=work.bound)
    xp.subtract(0.5, 0.5 * work.bound, out=work.bound)
    da *= work.bound
    return work.dout


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

    def write_grads(self, params, grads, x, *rest):
        *context, noise = rest
        return write_grads(params, grads, x, noise, *context, beta=self.beta, likelihood=self.likelihood)


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
    trained = minibatch.train(objective, device.like(data[0], params), data, rng=rng,
                              learning_rate=learning_rate, batch_size=batch_size, max_epochs=max_epochs,
                              patience=patience, validation_fraction=validation_fraction, schedule=schedule,
                              checkpoint=checkpoint, progress=progress)
    return VAE(trained.params, mean, scale, context_scaling, likelihood, trained.history)


def check_beta(beta):
    """β as it is, or a ValueError unless it is a finite number, zero or above."""
    number = isinstance(beta, (int, float, np.integer, np.floating)) and not isinstance(beta, bool)
    if not number or not 0 <= beta < np.inf:
        raise ValueError(f"beta: expected a finite number, zero or above, got {beta!r}")
    return beta
