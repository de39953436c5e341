"""Evidence lower bound: a bound on log p(x) from below, from a decoder and an approximate posterior.

    (1)  p(x|c) = ∫ p(x|z, c) N(z; 0, I) dz              the model; c: a context, where it is conditional
    (2)  q(z|x, c) = N(z; μ, diag e^ℓ),   (μ, a) = e(c, x),   ℓ = B tanh(a/B)            encoder
    (3)  z = μ + e^{ℓ/2} ⊙ ε,   ε ~ N(0, I)              a sample of q that can be differentiated
    (4)  p(x|z, c): a likelihood of f = d(c, z)          decoder, see `generative.likelihoods`
    (5)  KL = ½ ∑ₖ (μₖ² + e^{ℓₖ} − ℓₖ − 1)               of q(z|x, c) from N(0, I)
    (6)  log p(x|c) ≥ ELBO = E[log p(x|z, c)] − KL       equal where q is the posterior of z
    (7)  log p(x|c) ≥ E log (1/S) ∑ₛ wₛ,   wₛ = p(x|zₛ, c) N(zₛ; 0, I)/q(zₛ|x, c)

Why (6) is a bound:

    log p(x|c) = log E_q [p(x|z, c) N(z; 0, I)/q(z|x, c)]             (1), multiplied and divided by q
               ≥ E_q log [p(x|z, c) N(z; 0, I)/q(z|x, c)]             Jensen's inequality: log is concave
               = E_q log p(x|z, c) − KL(q(z|x, c) ‖ N(0, I))

(7) is (6) at S = 1; it rises with S, to log p(x|c).

Shapes        N samples, D features, L latents, C context, S importance samples; x (N, D), z and ε (N, L),
              context (N, C). Encoder (C + D) → 2L and decoder (C + L) → D are networks as in `nets.dense`;
              L, D and C follow from their shapes.
Conventions   nats. The expectation of (6) is estimated from the one ε of each sample; KL is exact.
Source        "Auto-encoding variational Bayes", Kingma and Welling, 2014, eqs. 3, 4 and 10; (7) "Importance
              weighted autoencoders", Burda, Grosse and Salakhutdinov, 2016, eq. 8 and theorem 1; the context
              "Learning structured output representation using deep conditional generative models", Sohn, Lee
              and Yan, 2015; lecture S1, slides "Variational AutoEncoder (VAE)".
Departures    S0, S2 and S4 print −ELBO = ⟨log P(x|z)⟩ + KL: the first term lacks its minus sign. ℓ is bounded
              smoothly, between −16 and 16, so that no exponential of it overflows.

Example
-------
>>> import numpy as np
>>> from reference.generative import elbo, vae
>>> rng = np.random.default_rng(0)
>>> params = vae.init_params(rng, dim=3, n_latent=2, hidden=(8,))
>>> x, noise = rng.standard_normal((500, 3)), rng.standard_normal((20, 500, 2))
>>> bounds = elbo.elbo(params, x, noise[0]), elbo.importance_weighted_bound(params, x, noise)
>>> bool(bounds[0].mean() < bounds[1].mean())
True
"""
from typing import NamedTuple

import autograd.numpy as np

from reference.density import flows
from reference.generative.likelihoods import GAUSSIAN, Likelihood, bounded
from reference.nets import dense
from reference.nets._help import described
from reference.runtime import checks
from reference.runtime.protocols import Array, Params

__all__ = ["Encoded", "ElboTerms", "encode", "decode", "elbo_terms", "elbo", "importance_weighted_bound"]
SHARED = ["check_x", "sizes"]
__all__ += SHARED

documented = described("""
params : tree
    From `generative.vae.init_params`, or trained.
x : (N, D) float
z : (N, L) float
noise : (N, L) float
    ε, standard normal.
context : (N, C) float, optional
    c; None for a model without a context.
likelihood : Likelihood
    GAUSSIAN, FIXED_GAUSSIAN or BERNOULLI.
""", raises="If an array has another shape, or the context is missing or not asked for.")


class Encoded(NamedTuple):
    """q(z|x, c).

    Attributes
    ----------
    mean, log_var : (N, L) float
        μ and ℓ.
    """
    mean: Array
    log_var: Array


class ElboTerms(NamedTuple):
    """The two terms of (6) for each sample, in nats.

    Attributes
    ----------
    log_likelihood : (N,) float
        log p(x|z, c) at the z of (3).
    kl : (N,) float
    """
    log_likelihood: Array
    kl: Array


def sizes(params):
    """D, L and C, from the shapes of the layers."""
    n_latent = params["encoder"][-1].shape[1] // 2
    return params["decoder"][-1].shape[1], n_latent, len(params["decoder"][0]) - 1 - n_latent


def check_x(params, x, context):
    """x (N, D) and the context (N, C), or none, as arrays, or a ValueError."""
    dim, _, context_dim = sizes(params)
    return flows.check_inputs(x, context, dim, context_dim)


def network(layers, context, h):
    return dense.mlp(layers, h if context is None else np.concatenate((context, h), axis=1))


@documented
def encode(params: Params, x: Array, context: Array | None = None) -> Encoded:
    """q(z|x, c)."""
    x, context = check_x(params, x, context)
    mean, a = np.split(network(params["encoder"], context, x), 2, axis=1)
    return Encoded(mean, bounded(a))                                  # (2)


@documented
def decode(params: Params, z: Array, context: Array | None = None) -> Array:
    """The decoder's outputs f, (N, D), which a likelihood interprets."""
    _, n_latent, context_dim = sizes(params)
    z = checks.as_array("z", z, ("N", n_latent))
    z, context = flows.check_inputs(z, context, n_latent, context_dim)
    return network(params["decoder"], context, z)


@documented
def elbo_terms(params: Params, x: Array, noise: Array, context: Array | None = None, *,
               likelihood: Likelihood = GAUSSIAN) -> ElboTerms:
    """The two terms of the bound (6), from one ε for each sample."""
    x, context = check_x(params, x, context)
    mean, log_var = encode(params, x, context)
    noise = checks.as_array("noise", noise, mean.shape)
    z = mean + np.exp(0.5 * log_var) * noise                          # (3)
    log_likelihood = likelihood.log_prob(x, decode(params, z, context), params.get("log_var"))       # (4)
    return ElboTerms(log_likelihood, 0.5 * np.sum(mean**2 + (np.expm1(log_var) - log_var), axis=1))  # (5)


@documented
def elbo(params: Params, x: Array, noise: Array, context: Array | None = None, *,
         likelihood: Likelihood = GAUSSIAN) -> Array:
    """The bound (6), from one ε for each sample, (N,)."""
    log_likelihood, kl = elbo_terms(params, x, noise, context, likelihood=likelihood)
    return log_likelihood - kl                                        # (6)


def importance_weighted_bound(params: Params, x: Array, noise: Array, context: Array | None = None, *,
                              likelihood: Likelihood = GAUSSIAN) -> Array:
    """The bound (7) for each sample, (N,).

    Parameters
    ----------
    noise : (S, N, L) float
        ε, standard normal: S draws for each sample.
    params, x, context, likelihood
        As for `elbo`.

    Raises
    ------
    ValueError
        If an array has another shape, or the context is missing or not asked for.
    """
    x, context = check_x(params, x, context)
    mean, log_var = encode(params, x, context)
    noise = checks.as_array("noise", noise, ("S", *mean.shape))
    checks.check_count("noise: number of importance samples", len(noise))
    log_w = np.stack([log_weight(params, x, mean, log_var, eps, context, likelihood) for eps in noise])
    top = np.max(log_w, axis=0)
    return top + np.log(np.mean(np.exp(log_w - top), axis=0))         # (7)


def log_weight(params, x, mean, log_var, eps, context, likelihood):
    """log w for one draw of ε, (N,); the constants of the two normal densities cancel."""
    z = mean + np.exp(0.5 * log_var) * eps
    log_likelihood = likelihood.log_prob(x, decode(params, z, context), params.get("log_var"))
    return log_likelihood + 0.5 * np.sum(eps**2 + log_var - z**2, axis=1)
