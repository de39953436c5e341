"""Likelihoods of a decoder: the log-density of data x, its mean and a draw, given the decoder's outputs f.

The mathematics is in `reference.generative.likelihoods`. Same values. `log_prob_columns` is the form that the
bounds use, feature-major and in place: where it finds f it leaves mean(f) − x. Since ∂ log p/∂f = (x −
mean)/σ² for both kinds, a backward pass starts there, and no other array of the size of x is kept for it. The
Bernoulli's value and mean share one exponential, e = exp(−|f|):

    log(1 + e^f) = max(f, 0) + log(1 + e),     mean = (1 or e)/(1 + e)      1 where f ≥ 0

Example
-------
>>> import numpy as np
>>> from accel.generative import likelihoods
>>> x, f = np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]])              # a probability of ½ for each
>>> likelihoods.BERNOULLI.log_prob(x, f, None).round(4), likelihoods.BERNOULLI.mean(f)
(array([-1.3863]), array([[0.5, 0.5]]))
"""
import math
from collections.abc import Callable
from typing import NamedTuple

from accel.device import array_module
from accel.runtime import checks
from accel.runtime.protocols import Array

__all__ = ["Likelihood", "GAUSSIAN", "FIXED_GAUSSIAN", "BERNOULLI", "bounded", "unbounded"]
SHARED = ["B", "check_likelihood", "likelihood_named", "log_prob_columns", "raw_log_var"]
__all__ += SHARED

B = 16.0


class Likelihood(NamedTuple):
    """What the outputs f (N, D) of a decoder mean; a (1,) gives σ, and is None where there is none.

    Attributes
    ----------
    name : str
    log_prob : callable
        (x (N, D), f, a) → log p(x|f), (N,), in nats.
    mean : callable
        f → the mean of x, (N, D).
    draw : callable
        (rng, f, a) → a draw of x, (N, D).
    has_sigma, learns_sigma : bool
        Whether there is a σ, and whether training changes it.
    """
    name: str
    log_prob: Callable
    mean: Callable
    draw: Callable
    has_sigma: bool
    learns_sigma: bool

    def __repr__(self):
        return f"Likelihood({self.name!r})"

    def __reduce__(self):
        """Pickled by name, where it is one of this page's: functions cannot be pickled."""
        known = any(self is likelihood for likelihood in (GAUSSIAN, FIXED_GAUSSIAN, BERNOULLI))
        return (likelihood_named, (self.name,)) if known else (Likelihood, tuple(self))


def bounded(a: Array) -> Array:
    """B tanh(a/B): a log-variance whose exponential cannot overflow, not even in float32."""
    return B * array_module(a).tanh(a / B)                            # (3)


def unbounded(log_var: Array) -> Array:
    """The a of (3), for a log-variance strictly between −B and B."""
    return B * array_module(log_var).arctanh(log_var / B)


def log_prob_columns(likelihood, x, f, a):
    """log p of columns x (D, …) given outputs f (D, …): (…). In the place of f it leaves mean(f) − x."""
    return (_gaussian_columns if likelihood.has_sigma else _bernoulli_columns)(x, f, a)


def _gaussian_columns(x, f, a):
    xp, log_var, dim = array_module(f), bounded(a), len(x)
    f -= x
    squares = xp.einsum("d...,d...->...", f, f)
    return squares * (-0.5 * xp.exp(-log_var)) - 0.5 * dim * (math.log(2 * math.pi) + log_var)        # (1)


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
    log_prob -= xp.log1p(e).sum(axis=0)                               # (2)
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


GAUSSIAN = Likelihood("gaussian", lambda x, f, a: _gaussian_columns(x.T, f.T.copy(), a), lambda f: f.copy(),
                      _gaussian_draw, True, True)
FIXED_GAUSSIAN = GAUSSIAN._replace(name="fixed gaussian", learns_sigma=False)
BERNOULLI = Likelihood("bernoulli", lambda x, f, a: _bernoulli_columns(x.T, f.T.copy(), a), _bernoulli_mean,
                       _bernoulli_draw, False, False)


def likelihood_named(name):
    """The likelihood of this name, which is what a saved model stores; ValueError for another name."""
    found = [likelihood for likelihood in (GAUSSIAN, FIXED_GAUSSIAN, BERNOULLI) if likelihood.name == name]
    if not found:
        raise ValueError(f"name: expected gaussian, fixed gaussian or bernoulli, got {name!r}")
    return found[0]


def check_likelihood(likelihood):
    """Raise ValueError unless it is a likelihood."""
    if not isinstance(likelihood, Likelihood):
        raise ValueError(f"likelihood: expected GAUSSIAN, FIXED_GAUSSIAN or BERNOULLI, got {likelihood!r}")


def raw_log_var(sigma):
    """The a of (3) for σ, or a ValueError unless σ is between e⁻⁸ and e⁸."""
    log_var = 2 * math.log(checks.check_positive("sigma", sigma))
    if not -B < log_var < B:
        raise ValueError("sigma: expected a number between e^-8 and e^8, in units of the data's scale, "
                         f"got {sigma:.3g}")
    return float(unbounded(log_var))
