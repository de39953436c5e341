"""Likelihoods of a decoder: what its outputs f say about the data x, as a log-density, a mean and a draw.

The mathematics is in `reference.generative.likelihoods`. Same values; log_prob takes feature-major columns, (D, …), and while it is
at it turns f into mean(f) − x in its place. Since ∂ log p/∂f = (x − mean)/σ² for both kinds, that is where a backward pass
starts, so that no array of the size of x is kept for it. The Bernoulli's value and mean share one exponential, e = exp(−|f|):

    log(1 + e^f) = max(f, 0) + log(1 + e),     mean = (1 or e)/(1 + e)      1 where f ≥ 0
"""
import math
from collections.abc import Callable
from typing import NamedTuple

from accel.device import array_module

__all__ = ["Likelihood", "GAUSSIAN", "FIXED_GAUSSIAN", "BERNOULLI", "bounded", "unbounded"]
SHARED = ["B", "likelihood_named", "log_prob_columns"]
__all__ += SHARED

B = 16.0


class Likelihood(NamedTuple):
    """What a decoder's outputs mean: log_prob(x, f, a), mean(f), draw(rng, f, a); a is None where there is no σ."""
    name: str
    log_prob: Callable
    mean: Callable
    draw: Callable
    has_sigma: bool
    learns_sigma: bool

    def __reduce__(self):
        """Written by its name, where it is one of this page's: functions cannot be pickled."""
        known = any(self is likelihood for likelihood in (GAUSSIAN, FIXED_GAUSSIAN, BERNOULLI))
        return (likelihood_named, (self.name,)) if known else (Likelihood, tuple(self))


def bounded(a):
    """B tanh(a/B): a log-variance whose exponential cannot overflow, in float32 neither."""
    return B * array_module(a).tanh(a / B)


def unbounded(log_var):
    """The a of (3), for a log-variance strictly between −B and B."""
    return B * array_module(log_var).arctanh(log_var / B)


def log_prob_columns(likelihood, x, f, a):
    """log p of columns x (D, …) under outputs f (D, …): (…). In the place of f it leaves mean(f) − x."""
    return (_gaussian_columns if likelihood.has_sigma else _bernoulli_columns)(x, f, a)


def _gaussian_columns(x, f, a):
    xp, log_var, dim = array_module(f), bounded(a), len(x)
    f -= x
    return xp.einsum("d...,d...->...", f, f) * (-0.5 * xp.exp(-log_var)) - 0.5 * dim * (math.log(2 * math.pi) + log_var)


def _gaussian_draw(rng, f, a):
    xp = array_module(f)
    x = xp.asarray(rng.standard_normal(f.shape), dtype=f.dtype)
    x *= xp.exp(0.5 * bounded(a))
    x += f
    return x


def _bernoulli_columns(x, f, a):
    xp = array_module(f)
    log_prob = xp.einsum("d...,d...->...", x, f)
    e = _exp_minus_abs(f)
    log_prob -= xp.maximum(f, 0).sum(axis=0)
    log_prob -= xp.log1p(e).sum(axis=0)
    _mean_in_place(f, e)
    f -= x
    return log_prob


def _bernoulli_mean(f):
    return _mean_in_place(f.copy(), _exp_minus_abs(f))


def _exp_minus_abs(f):
    xp = array_module(f)
    e = xp.abs(f)
    xp.negative(e, out=e)
    return xp.exp(e, out=e)


def _mean_in_place(f, e):
    xp = array_module(f)
    f[...] = xp.where(f >= 0, 1, e)
    e += 1
    f /= e
    return f


def _bernoulli_draw(rng, f, a):
    mean = _bernoulli_mean(f)
    return (array_module(f).asarray(rng.random(f.shape), dtype=f.dtype) < mean).astype(f.dtype)


GAUSSIAN = Likelihood("gaussian", lambda x, f, a: _gaussian_columns(x.T, f.T.copy(), a), lambda f: f.copy(), _gaussian_draw, True, True)
FIXED_GAUSSIAN = GAUSSIAN._replace(name="fixed gaussian", learns_sigma=False)
BERNOULLI = Likelihood("bernoulli", lambda x, f, a: _bernoulli_columns(x.T, f.T.copy(), a), _bernoulli_mean, _bernoulli_draw,
                       False, False)


def likelihood_named(name):
    """The likelihood that has this name, as a saved model remembers it."""
    found = [likelihood for likelihood in (GAUSSIAN, FIXED_GAUSSIAN, BERNOULLI) if likelihood.name == name]
    if not found:
        raise ValueError(f"name: expected gaussian, fixed gaussian or bernoulli, got {name!r}")
    return found[0]
