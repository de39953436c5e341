"""Variational autoencoder: data drawn from a few latent numbers by a network, trained on a bound on log p(x).

The mathematics is in `reference.generative.vae`. Same values; one set of work arrays goes through both networks (accel.generative.elbo),
and the gradient is written by hand. With r = mean(f) − x, which the likelihood leaves in the place of f, b = tanh(a/B) of the encoder's a
(ℓ = B b), and v = σ², 1 for a Bernoulli likelihood, backward through the loss (1/N) ∑ (−log p + β KL):

    df  = r/(N v)                                     (Gaussian: ‖r‖²/2v; Bernoulli: the mean is the slope of log(1 + e^f))
    dv̄  = (1/2N) ∑ₙ (D − ‖rₙ‖²/v)                     v̄ = log v = B tanh(a_v/B)
    da_v = dv̄ (1 − tanh²(a_v/B))                      zero where σ is fixed
    dz  = (decoder)ᵀ df                               its input holds c above z
    dμ  = dz + (β/N) μ                                z = μ + e^{ℓ/2} ⊙ ε, and KL's ½ μ²
    dℓ  = ½ dz ⊙ e^{ℓ/2} ⊙ ε + (β/2N)(e^ℓ − 1)        the same two
    da  = dℓ ⊙ (1 − b²)                               and the encoder's backward pass starts from (dμ, da)

Only e^{ℓ/2} ⊙ ε, e^ℓ − 1 and b are kept beside the networks' own tapes.
"""
import math
from typing import NamedTuple

import numpy as np

from accel import device
from accel.density import flows
from accel.device import array_module
from accel.generative.elbo import (borrowed, check_noise, check_x, decode, draw_columns, elbo, elbo_terms, encode, encode_columns,
                                   fill_columns, importance_weighted_bound, kl_columns, sizes)
from accel.generative.likelihoods import (BERNOULLI, FIXED_GAUSSIAN, GAUSSIAN, B, Likelihood, likelihood_named, log_prob_columns,
                                          unbounded)
from accel.nets import dense
from accel.preprocessing.scaling import Scaling, centre_and_scale, fit_scaling, scaled
from accel.runtime import checks, persistence
from accel.runtime._vector import empty_like, plain
from accel.runtime.tree import frozen
from accel.training import minibatch, optim

__all__ = ["VAE", "init_params", "draw_noise", "loss", "loss_and_grad", "sample", "fit", "load"]


class VAE(NamedTuple):
    """A fitted variational autoencoder, on the device and in the dtype of the data."""
    params: dict
    mean: np.ndarray
    scale: float
    context_scaling: Scaling
    likelihood: Likelihood
    history: dict

    def transform(self, x, context=None):
        """The means of q(z|x, c) for x (N, D): (N, L)."""
        return encode(self.params, *self._scaled(x, context)).mean

    def inverse_transform(self, z, context=None):
        """The mean of x given z (N, L): (N, D)."""
        return self._unscaled(self.likelihood.mean(decode(self.params, z, self._standardised(context))))

    def sample(self, rng, n, context=None, *, mean_only=False):
        """n draws of x, (n, D); with a context (M, C), n for each row, (M, n, D). mean_only leaves the decoder's noise out."""
        return self._unscaled(sample(self.params, rng, n, self._standardised(context), likelihood=self.likelihood, mean_only=mean_only))

    def elbo(self, rng, x, context=None):
        """The bound on log p(x|c) from one draw of z for each sample, (N,), nats in the units of x."""
        x, context = self._scaled(x, context)
        noise = draw_noise(rng, len(x), n_latent=sizes(self.params)[1])
        bound = elbo(self.params, x, noise, context, likelihood=self.likelihood)
        bound -= self._log_volume()
        return bound

    def bound(self, rng, n, x, context=None):
        """The importance-weighted bound on log p(x|c) from n draws of z for each sample, (N,), nats in the units of x."""
        x, context = self._scaled(x, context)
        noise = rng.standard_normal((checks.check_count("n", n), len(x), sizes(self.params)[1]))
        return importance_weighted_bound(self.params, x, noise, context, likelihood=self.likelihood) - self._log_volume()

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "vae", describe(self))

    def __reduce__(self):
        return restore, (describe(self),)

    def _moved(self, move):
        scaling = self.context_scaling
        return self._replace(params=frozen(move(self.params)), mean=move(self.mean), context_scaling=scaling and move(scaling))

    def _scaled(self, x, context):
        x, context = check_x(self.params, x, context)
        return scaled(x, self.mean, self.scale), self._standardised(context)

    def _unscaled(self, x):
        x *= self.scale
        x += self.mean
        return x

    def _standardised(self, context):
        if context is None or self.context_scaling is None:
            return context
        return self.context_scaling.apply(checks.as_array("context", context, ("M", len(self.context_scaling.mean))))

    def _log_volume(self):
        return len(self.mean) * math.log(self.scale)


def load(path):
    """The autoencoder that `VAE.save` wrote."""
    return restore(persistence.load(path, "vae"))


def describe(model):
    """The fields of a VAE as plain values, its likelihood by name."""
    scaling = model.context_scaling and model.context_scaling._asdict()
    return {**model._asdict(), "context_scaling": scaling, "likelihood": model.likelihood.name}


def restore(description):
    """The VAE that was described, its parameters frozen."""
    scaling = description["context_scaling"]
    return VAE(**{**description, "params": frozen(description["params"]), "context_scaling": scaling and Scaling(**scaling),
                  "likelihood": likelihood_named(description["likelihood"])})


def init_params(rng, *, dim, n_latent, context_dim=0, hidden=(128, 64), likelihood=GAUSSIAN, sigma=1.0):
    """Encoder and decoder with random weights, and σ where the likelihood has one."""
    for name, counts, least in (("dim", [dim], 1), ("n_latent", [n_latent], 1), ("context_dim", [context_dim], 0), ("hidden", hidden, 1)):
        for count in counts:
            checks.check_count(name, count, least=least)
    check_likelihood(likelihood)
    params = {"encoder": dense.init_mlp(rng, (context_dim + dim, *hidden, 2 * n_latent)),
              "decoder": dense.init_mlp(rng, (context_dim + n_latent, *hidden[::-1], dim))}
    first = params["encoder"][0]
    return params | {"log_var": array_module(first).full(1, raw_log_var(sigma), first.dtype)} if likelihood.has_sigma else params


def draw_noise(rng, n, *, n_latent):
    """ε for n samples, (n, L)."""
    return rng.standard_normal((n, n_latent))


def loss(params, x, noise, context=None, *, beta=1.0, likelihood=GAUSSIAN):
    """The mean of −log p(x|z, c) + β KL, in nats; the arguments are those of `elbo_terms`."""
    log_likelihood, kl = elbo_terms(params, x, noise, context, likelihood=likelihood)
    kl *= check_beta(beta)
    kl -= log_likelihood
    return kl.mean()


def loss_and_grad(params, x, noise, context=None, *, beta=1.0, likelihood=GAUSSIAN):
    """The loss and its gradient, in the tree of params."""
    grads = empty_like(params)
    return write_grads(params, grads, x, noise, context, beta=beta, likelihood=likelihood), plain(grads)


def write_grads(params, grads, x, noise, context=None, *, beta, likelihood):
    """The loss; its gradient goes into grads."""
    x, context = check_x(params, x, context)
    n, beta, noise = len(x), check_beta(beta), check_noise(params, noise, (len(x), sizes(params)[1]))
    with borrowed(params, n) as work:
        fill_columns(work, x, context)
        encode_columns(params["encoder"], work)
        draw_columns(work, noise.T)
        df, a_v = dense.forward(params["decoder"], work.decoder), params.get("log_var")
        value = (beta * kl_columns(work) - log_prob_columns(likelihood, work.x, df, a_v)).mean()   # from here on df holds r
        if a_v is None:
            df *= 1 / n
        else:
            through_sigma(df, a_v, grads["log_var"], likelihood)
        dz = dense.backward(params["decoder"], work.decoder, df, grads["decoder"], need_dx=True)[len(work.context):]
        dense.backward(params["encoder"], work.encoder, through_q(work, dz, beta / n), grads["encoder"])
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


def sample(params, rng, n, context=None, *, likelihood=GAUSSIAN, mean_only=False):
    """n draws of x, (n, D); with a context of M rows, n draws for each: (M, n, D)."""
    dim, n_latent, context_dim = sizes(params)
    z, context, shape = flows.draw_base(rng, n, n_latent, context_dim, context)
    f = decode(params, z, context)
    x = likelihood.mean(f) if mean_only else likelihood.draw(rng, f, params.get("log_var"))
    return x.reshape(*shape[:-1], dim)


def fit(x, *, n_latent, rng, context=None, likelihood=GAUSSIAN, sigma=None, beta=1.0, hidden=(128, 64), learning_rate=3e-3,
        batch_size=64, max_epochs=200, patience=40, validation_fraction=0.1, schedule=optim.cosine, checkpoint=None, progress=False):
    """A VAE trained on x, which decides the device and the dtype."""
    x = checks.as_array("x", x, ("N", "D"))
    mean, scale = centre_and_scale(x)
    check_likelihood(likelihood)
    if likelihood is BERNOULLI:
        check_fractions(x)
        mean, scale = mean * 0, 1.0
    if likelihood is FIXED_GAUSSIAN and sigma is None:
        raise ValueError("sigma: expected a positive number with a fixed Gaussian, got None")
    check_beta(beta)
    context_scaling, data = None, (scaled(x, mean, scale),)
    if context is not None:
        context = checks.as_array("context", context, (len(x), "C"))
        checks.check_finite("context", context)
        context_scaling = fit_scaling(context)
        data = (*data, context_scaling.apply(context))
    params = init_params(rng, dim=x.shape[1], n_latent=n_latent, context_dim=0 if context is None else context.shape[1], hidden=hidden,
                         likelihood=likelihood, sigma=1.0 if sigma is None else checks.check_positive("sigma", sigma) / scale)
    trained = minibatch.train(Objective(n_latent, beta, likelihood), device.like(x, params), data, rng=rng, learning_rate=learning_rate,
                              batch_size=batch_size, max_epochs=max_epochs, patience=patience, validation_fraction=validation_fraction,
                              schedule=schedule, checkpoint=checkpoint, progress=progress)
    return VAE(trained.params, mean, scale, context_scaling, likelihood, trained.history)


class Objective(NamedTuple):
    """The loss with its settings, as training calls it: a batch x, the context where there is one, and the noise ε last."""
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


def raw_log_var(sigma):
    """The a of a Gaussian's σ, see `generative.likelihoods`."""
    log_var = 2 * math.log(checks.check_positive("sigma", sigma))
    if not -B < log_var < B:
        raise ValueError(f"sigma: expected a number between e^-8 and e^8, in units of the data's scale, got {sigma:.3g}")
    return float(unbounded(log_var))


def check_beta(beta):
    """β as it is, or a ValueError unless it is a finite number, zero or above."""
    if isinstance(beta, bool) or not isinstance(beta, (int, float, np.integer, np.floating)) or not 0 <= beta < np.inf:
        raise ValueError(f"beta: expected a finite number, zero or above, got {beta!r}")
    return beta


def check_likelihood(likelihood):
    if not isinstance(likelihood, Likelihood):
        raise ValueError(f"likelihood: expected GAUSSIAN, FIXED_GAUSSIAN or BERNOULLI, got {likelihood!r}")


def check_fractions(x):
    """A ValueError unless every number is in [0, 1]."""
    outside = int(((x < 0) | (x > 1)).sum())
    if outside:
        raise ValueError(f"x: expected numbers between 0 and 1 for a Bernoulli likelihood, got {outside} others")
