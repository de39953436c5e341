"""Evidence lower bound: a bound on log p(x) from below, from a decoder and an approximate posterior.

The mathematics is in `reference.generative.elbo`. Same values; columns of both networks are feature-major,
the sample z is written where the decoder reads it, and rows are taken in blocks. For (7) several draws are
decoded at a time, and their weights are added to a sum T that is kept in units of e^M, M the largest log w so
far:

    T ← T e^{M − M′} + ∑ₛ e^{log wₛ − M′},   M′ = max(M, log wₛ),        bound = M + log T − log S

so that the memory does not grow with S.

Example
-------
>>> import numpy as np
>>> from accel.generative import elbo, vae
>>> rng = np.random.default_rng(0)
>>> params = vae.init_params(rng, dim=3, n_latent=2, hidden=(8,))
>>> x, noise = rng.standard_normal((500, 3)), rng.standard_normal((20, 500, 2))
>>> bounds = elbo.elbo(params, x, noise[0]), elbo.importance_weighted_bound(params, x, noise)
>>> bool(bounds[0].mean() < bounds[1].mean())
True
"""
import math
from typing import NamedTuple

import numpy as np

from accel import memory
from accel.density import flows
from accel.device import array_module
from accel.generative.likelihoods import GAUSSIAN, B, Likelihood, log_prob_columns
from accel.nets import dense
from accel.nets._help import described
from accel.runtime import checks
from accel.runtime.protocols import Array, Params

__all__ = ["Encoded", "ElboTerms", "encode", "decode", "elbo_terms", "elbo", "importance_weighted_bound"]
SHARED = ["borrowed", "check_noise", "check_x", "draw_columns", "encode_columns", "fill_columns",
          "kl_columns", "sizes"]
__all__ += SHARED

COLUMNS = 1024                                                  # at a time on a CPU: the work stays in cache
COLUMNS_ON_DEVICE = 1 << 16

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


@documented
def encode(params: Params, x: Array, context: Array | None = None) -> Encoded:
    """q(z|x, c)."""
    x, context = check_x(params, x, context)
    mean, log_var = (empty(params, len(x), sizes(params)[1]) for _ in range(2))
    for rows, work in blocks(params, x, context):
        encode_columns(params["encoder"], work)
        mean[rows], log_var[rows] = work.mean.T, work.log_var.T
    return Encoded(mean, log_var)


@documented
def decode(params: Params, z: Array, context: Array | None = None) -> Array:
    """The decoder's outputs f, (N, D), which a likelihood interprets."""
    dim, n_latent, context_dim = sizes(params)
    z = checks.as_array("z", z, ("N", n_latent))
    z, context = flows.check_inputs(z, context, n_latent, context_dim)
    f = empty(params, len(z), dim)
    z, split = array_module(f).asarray(z, dtype=f.dtype), 1 + context_dim
    for rows in slices(params, len(z)):
        with borrowed_tape(params, len(z[rows])) as tape:
            tape.inputs[0][split:] = z[rows].T
            if context is not None:
                tape.inputs[0][1:split] = context[rows].T
            f[rows] = dense.forward(params["decoder"], tape).T
    return f


@documented
def elbo_terms(params: Params, x: Array, noise: Array, context: Array | None = None, *,
               likelihood: Likelihood = GAUSSIAN) -> ElboTerms:
    """The two terms of the bound (6), from one ε for each sample."""
    x, context = check_x(params, x, context)
    noise = check_noise(params, noise, (len(x), sizes(params)[1]))
    log_likelihood, kl = empty(params, len(x)), empty(params, len(x))
    for rows, work in blocks(params, x, context):
        encode_columns(params["encoder"], work)
        draw_columns(work, noise[rows].T)
        f = dense.forward(params["decoder"], work.decoder)
        log_likelihood[rows] = log_prob_columns(likelihood, work.x, f, params.get("log_var"))          # (4)
        kl[rows] = kl_columns(work)
    return ElboTerms(log_likelihood, kl)


@documented
def elbo(params: Params, x: Array, noise: Array, context: Array | None = None, *,
         likelihood: Likelihood = GAUSSIAN) -> Array:
    """The bound (6), from one ε for each sample, (N,)."""
    log_likelihood, kl = elbo_terms(params, x, noise, context, likelihood=likelihood)
    log_likelihood -= kl                                              # (6)
    return log_likelihood


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
    noise = check_noise(params, noise, ("S", len(x), sizes(params)[1]))
    n_draws = checks.check_count("noise: number of importance samples", len(noise))
    bound = empty(params, len(x))
    xp = array_module(bound)
    for rows, work in blocks(params, x, context):
        encode_columns(params["encoder"], work)
        n = work.x.shape[1]
        top, total = xp.full(n, -math.inf, work.x.dtype), xp.zeros(n, work.x.dtype)
        at_once = max(1, limit(params) // n)
        for first in range(0, n_draws, at_once):
            eps = noise[first:first + at_once, rows].transpose(2, 0, 1)
            log_w = log_weights(params, work, eps, likelihood)
            higher = xp.maximum(top, log_w.max(axis=0))
            log_w -= higher
            total *= xp.exp(top - higher)
            total += xp.exp(log_w, out=log_w).sum(axis=0)
            top = higher
        bound[rows] = top + xp.log(total) - math.log(n_draws)         # (7)
    return bound


def log_weights(params, work, eps, likelihood):
    """log w for draws ε (L, s, n), (s, n), of the n columns that are encoded in work."""
    (_, s, n), xp = eps.shape, array_module(eps)
    with borrowed_tape(params, s * n) as tape:
        inputs = tape.inputs[0].reshape(-1, s, n)
        inputs[1:1 + len(work.context)] = work.context[:, None]
        z = inputs[1 + len(work.context):]
        xp.multiply(work.sigma[:, None], eps, out=z)
        z += work.mean[:, None]
        f = dense.forward(params["decoder"], tape).reshape(-1, s, n)
        log_w = xp.einsum("l...,l...->...", eps, eps)
        log_w -= xp.einsum("l...,l...->...", z, z)
        log_w += work.log_var.sum(axis=0)
        log_w *= 0.5
        log_w += log_prob_columns(likelihood, work.x[:, None], f, params.get("log_var"))
        return log_w


class Work:
    """The work arrays of both networks for n columns; the rows of an input are 1, the context, and x or z."""

    def __init__(self, xp, encoder, decoder, n, dtype):
        n_latent = encoder[-1][1] // 2
        context_dim = decoder[0][0] - 1 - n_latent
        self.encoder, self.decoder = (dense.Tape(xp, shapes, n, dtype) for shapes in (encoder, decoder))
        self.context, self.x = self.encoder.fed[0][:context_dim], self.encoder.fed[0][context_dim:]
        self.z = self.decoder.fed[0][context_dim:]
        self.mean, self.a = self.encoder.out[:n_latent], self.encoder.out[n_latent:]
        self.bound, self.log_var, self.sigma, self.excess, self.moved = (
            xp.empty((n_latent, n), dtype) for _ in range(5))
        self.dout = xp.empty_like(self.encoder.out)


def borrowed(params, n):
    """Work arrays for n samples, for the length of a block."""
    encoder, decoder = params["encoder"], params["decoder"]
    shapes = dense.shapes_of(encoder), dense.shapes_of(decoder)
    return memory.borrow(Work, array_module(encoder[0]), *shapes, n, encoder[0].dtype)


def borrowed_tape(params, n):
    """The decoder's work arrays alone."""
    decoder = params["decoder"]
    return memory.borrow(dense.Tape, array_module(decoder[0]), dense.shapes_of(decoder), n, decoder[0].dtype)


def fill_columns(work, x, context):
    """x (n, D) and the context (n, C) where the networks read them."""
    work.x[...] = x.T
    if context is not None:
        work.context[...] = context.T
        work.decoder.inputs[0][1:1 + len(work.context)] = work.context


def encode_columns(encoder, work):
    """(2): μ, ℓ, and with them e^{ℓ/2} and e^ℓ − 1, into work."""
    xp = array_module(work.x)
    dense.forward(encoder, work.encoder)
    xp.multiply(work.a, 1 / B, out=work.bound)
    xp.tanh(work.bound, out=work.bound)
    xp.multiply(work.bound, B, out=work.log_var)
    xp.multiply(work.log_var, 0.5, out=work.sigma)
    xp.exp(work.sigma, out=work.sigma)
    xp.expm1(work.log_var, out=work.excess)


def draw_columns(work, noise):
    """(3), for ε (L, n): z where the decoder reads it, and e^{ℓ/2} ⊙ ε."""
    xp = array_module(work.x)
    xp.multiply(work.sigma, noise, out=work.moved)
    xp.add(work.mean, work.moved, out=work.z)


def kl_columns(work):
    """(5), (n,)."""
    terms = work.excess - work.log_var
    terms += work.mean * work.mean
    return 0.5 * terms.sum(axis=0)


def blocks(params, x, context):
    """For a block of rows at a time: which they are, and work arrays that hold them and their context."""
    for rows in slices(params, len(x)):
        with borrowed(params, len(x[rows])) as work:
            fill_columns(work, x[rows], context if context is None else context[rows])
            yield rows, work


def slices(params, n):
    step = limit(params)
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def limit(params):
    return COLUMNS if array_module(params["encoder"][0]) is np else COLUMNS_ON_DEVICE


def empty(params, *shape):
    first = params["encoder"][0]
    return array_module(first).empty(shape, first.dtype)


def check_x(params, x, context):
    """x (N, D) and the context (N, C), or none, as arrays, or a ValueError."""
    dim, _, context_dim = sizes(params)
    return flows.check_inputs(x, context, dim, context_dim)


def check_noise(params, noise, shape):
    """ε of that shape, where the parameters live and in their dtype, wherever it was drawn."""
    first = params["encoder"][0]
    return array_module(first).asarray(checks.as_array("noise", noise, shape), dtype=first.dtype)
