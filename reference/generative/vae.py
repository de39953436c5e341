"""Variational autoencoder: data drawn from a few latent numbers by a network, trained on a bound on log p(x).

    (1)  p(x|c) = ∫ p(x|d(c, z)) N(z; 0, I) dz                     d: the decoder; q(z|x, c) is the encoder's
    (2)  loss = −(1/N) ∑ₙ (log p(xₙ|zₙ, cₙ) − β KLₙ)               the terms of `generative.elbo`, one ε for each sample
    (3)  x ~ p(x|d(c, z)),  z ~ N(0, I)                            a sample
    (4)  x = m + s·x′,   log p(x) = log p(x′) − D log s            the networks see x′; m is the mean of each feature, s one number

With a context, labels or physical parameters fed to both networks beside x and z, it is a conditional VAE.

Shapes        N samples, D features, L latents, C context, M rows of it at a time; x (N, D), z and ε (N, L), context (N, C).
              Encoder (C + D) → hidden … → 2L, decoder (C + L) → … hidden → D; tanh between the layers, as in `nets.dense`.
Conventions   nats; with β = 1 the loss is minus the bound, a smaller β weighs the reconstruction more. Module functions work on x′ and
              on the context as it is given; a fitted VAE takes and gives x, standardises the context, and answers in the units of
              x. With a Bernoulli likelihood x′ is x.
Source        "Auto-encoding variational Bayes", Kingma and Welling, 2014, algorithm 1; β: "beta-VAE: learning basic visual concepts
              with a constrained variational framework", Higgins et al., 2017, eq. 4; lecture S1, slides "Variational AutoEncoder
              (VAE)"; lectures S0 and S4 for the conditional form.
"""
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import autograd.numpy as np
from autograd import value_and_grad

from reference.nets import dense
from reference.runtime import checks, persistence
from reference.training import minibatch, optim
from reference.preprocessing.scaling import Scaling, fit_scaling
from reference.density import flows
from reference.generative.elbo import decode, elbo, elbo_terms, encode, importance_weighted_bound, sizes
from reference.generative.likelihoods import BERNOULLI, FIXED_GAUSSIAN, GAUSSIAN, B, Likelihood, unbounded
from reference.representation.autoencoder import moments

__all__ = ["VAE", "init_params", "draw_noise", "loss", "loss_and_grad", "sample", "fit", "load"]


class VAE(NamedTuple):
    """A fitted variational autoencoder.

    Attributes
    ----------
    params : dict
    mean : (D,) float
    scale : float
        m and s of (4), in the units of x.
    context_scaling : Scaling or None
        None where there is no context.
    likelihood : Likelihood
    history : dict of list of float
        The losses of each epoch, in nats of x′, see `training.minibatch`.
    """
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
        return self.mean + self.scale * self.likelihood.mean(decode(self.params, z, self._standardised(context)))

    def sample(self, rng, n, context=None, *, mean_only=False):
        """n draws of x, (n, D); with a context (M, C), n for each row, (M, n, D). mean_only leaves the decoder's noise out."""
        x = sample(self.params, rng, n, self._standardised(context), likelihood=self.likelihood, mean_only=mean_only)
        return self.mean + self.scale * x                             # (4)

    def elbo(self, rng, x, context=None):
        """The bound on log p(x|c) from one draw of z for each sample, (N,), nats in the units of x."""
        x, context = self._scaled(x, context)
        noise = draw_noise(rng, len(x), n_latent=sizes(self.params)[1])
        return elbo(self.params, x, noise, context, likelihood=self.likelihood) - self._log_volume()

    def bound(self, rng, n, x, context=None):
        """The importance-weighted bound on log p(x|c) from n draws of z for each sample, (N,), nats in the units of x."""
        x, context = self._scaled(x, context)
        noise = rng.standard_normal((checks.check_count("n", n), len(x), sizes(self.params)[1]))
        return importance_weighted_bound(self.params, x, noise, context, likelihood=self.likelihood) - self._log_volume()

    def save(self, path):
        """Write to a .npz file that either package loads."""
        scaling = self.context_scaling and self.context_scaling._asdict()
        persistence.save(path, "vae", self._asdict() | {"context_scaling": scaling, "likelihood": self.likelihood.name})

    def _scaled(self, x, context):
        dim, _, context_dim = sizes(self.params)
        x, context = flows.check_inputs(x, context, dim, context_dim)
        return (x - self.mean) / self.scale, self._standardised(context)

    def _standardised(self, context):
        if context is None or self.context_scaling is None:
            return context
        return self.context_scaling.apply(checks.as_array("context", context, ("M", len(self.context_scaling.mean))))

    def _log_volume(self):
        return len(self.mean) * np.log(self.scale)                    # D log s


def load(path):
    """The autoencoder that `VAE.save` wrote."""
    saved = persistence.load(path, "vae")
    kinds, scaling = {kind.name: kind for kind in (GAUSSIAN, FIXED_GAUSSIAN, BERNOULLI)}, saved["context_scaling"]
    return VAE(**saved | {"context_scaling": scaling and Scaling(**scaling), "likelihood": kinds[saved["likelihood"]]})


def init_params(rng, *, dim, n_latent, context_dim=0, hidden=(128, 64), likelihood=GAUSSIAN, sigma=1.0):
    """Encoder and decoder with random weights, and σ where the likelihood has one.

    Parameters
    ----------
    rng : Generator
    dim, n_latent, context_dim : int
        D, L and C.
    hidden : tuple of int
        The encoder's hidden layers; the decoder has them in reverse. With () each is a single affine layer.
    likelihood : Likelihood
    sigma : float
        The Gaussian's σ, in the units of x′: where a learnt one starts, what a fixed one stays at. Between e⁻⁸ and e⁸.

    Raises
    ------
    ValueError
        If an argument is not as above.
    """
    for name, counts, least in (("dim", [dim], 1), ("n_latent", [n_latent], 1), ("context_dim", [context_dim], 0), ("hidden", hidden, 1)):
        for count in counts:
            checks.check_count(name, count, least=least)
    check_likelihood(likelihood)
    params = {"encoder": dense.init_mlp(rng, (context_dim + dim, *hidden, 2 * n_latent)),
              "decoder": dense.init_mlp(rng, (context_dim + n_latent, *hidden[::-1], dim))}
    return params | {"log_var": np.array([raw_log_var(sigma)])} if likelihood.has_sigma else params


def draw_noise(rng, n, *, n_latent):
    """ε for n samples, (n, L)."""
    return rng.standard_normal((n, n_latent))


def loss(params, x, noise, context=None, *, beta=1.0, likelihood=GAUSSIAN):
    """The mean of −log p(x|z, c) + β KL, in nats; the arguments are those of `elbo_terms`."""
    log_likelihood, kl = elbo_terms(params, x, noise, context, likelihood=likelihood)
    return -np.mean(log_likelihood - check_beta(beta) * kl)           # (2)


def loss_and_grad(params, x, noise, context=None, *, beta=1.0, likelihood=GAUSSIAN):
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(loss)(params, x, noise, context, beta=beta, likelihood=likelihood)


def sample(params, rng, n, context=None, *, likelihood=GAUSSIAN, mean_only=False):
    """n draws of x, (n, D); with a context of M rows, n draws for each: (M, n, D).

    mean_only leaves out the noise of the likelihood: the answer is the decoder's mean at random z.
    """
    dim, n_latent, context_dim = sizes(params)
    z, context, shape = flows.draw_base(rng, n, n_latent, context_dim, context)
    f = decode(params, z, context)
    x = likelihood.mean(f) if mean_only else likelihood.draw(rng, f, params.get("log_var"))                    # (3)
    return x.reshape(*shape[:-1], dim)


def fit(x, *, n_latent, rng, context=None, likelihood=GAUSSIAN, sigma=None, beta=1.0, hidden=(128, 64), learning_rate=3e-3,
        batch_size=64, max_epochs=200, patience=40, validation_fraction=0.1, schedule=optim.cosine, checkpoint=None, progress=False):
    """A VAE trained on x; what the settings of training mean is in `training.minibatch.train`.

    Parameters
    ----------
    x : (N, D) float
        At least two samples, not all alike; between 0 and 1 for a Bernoulli likelihood.
    n_latent : int
        L.
    rng : Generator
        Draws the first weights, then splits, shuffles, and draws ε.
    context : (N, C) float, optional
        What is known of each sample: labels (one-hot) or physical parameters, in any units.
    likelihood : Likelihood
        GAUSSIAN, FIXED_GAUSSIAN or BERNOULLI.
    sigma : float, optional
        The Gaussian's σ in the units of x; a fixed one needs it, a learnt one starts there, or at s of (4).
    beta : float
        β, zero or above.
    hidden : tuple of int
        The encoder's hidden layers; the decoder has them in reverse.

    Raises
    ------
    ValueError
        If an argument is not as above, or the data are not finite.
    """
    x = checks.as_array("x", x, ("N", "D"))
    mean, scale = moments(x)
    check_likelihood(likelihood)
    if likelihood is BERNOULLI:
        check_fractions(x)
        mean, scale = np.zeros_like(mean), 1.0
    if likelihood is FIXED_GAUSSIAN and sigma is None:
        raise ValueError("sigma: expected a positive number with a fixed Gaussian, got None")
    check_beta(beta)
    context_scaling, data = None, ((x - mean) / scale,)
    if context is not None:
        context = checks.as_array("context", context, (len(x), "C"))
        checks.check_finite("context", context)
        context_scaling = fit_scaling(context)
        data = (*data, context_scaling.apply(context))
    params = init_params(rng, dim=x.shape[1], n_latent=n_latent, context_dim=0 if context is None else context.shape[1], hidden=hidden,
                         likelihood=likelihood, sigma=1.0 if sigma is None else checks.check_positive("sigma", sigma) / scale)

    def in_order(function):
        """The function of a batch as training hands it on: x, the context where there is one, and ε last."""
        return lambda params, x, *rest: function(params, x, rest[-1], *rest[:-1], beta=beta, likelihood=likelihood)
    model = SimpleNamespace(loss=in_order(loss), loss_and_grad=in_order(loss_and_grad), draw_noise=partial(draw_noise, n_latent=n_latent))
    trained = minibatch.train(model, params, data, rng=rng, learning_rate=learning_rate, batch_size=batch_size, max_epochs=max_epochs,
                             patience=patience, validation_fraction=validation_fraction, schedule=schedule, checkpoint=checkpoint,
                             progress=progress)
    return VAE(trained.params, mean, scale, context_scaling, likelihood, trained.history)


def raw_log_var(sigma):
    """The a of a Gaussian's σ, see `generative.likelihoods`."""
    log_var = 2 * np.log(checks.check_positive("sigma", sigma))
    if not -B < log_var < B:
        raise ValueError(f"sigma: expected a number between e^-8 and e^8, in units of the data's scale, got {sigma:.3g}")
    return unbounded(log_var)


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
    outside = int(np.sum((x < 0) | (x > 1)))
    if outside:
        raise ValueError(f"x: expected numbers between 0 and 1 for a Bernoulli likelihood, got {outside} others")
