"""Likelihoods of a decoder: the log-density of data x, its mean and a draw, given the decoder's outputs f.

    (1)  Gaussian     log p(x|f) = −‖x − f‖²/(2σ²) − (D/2) log 2πσ²       f is the mean
    (2)  Bernoulli    log p(x|f) = ∑ⱼ xⱼ fⱼ − log(1 + e^{fⱼ})             f is the logit of the mean
    (3)  log σ² = B tanh(a/B),   B = 16                                   σ between e⁻⁸ and e⁸

In both ∂ log p/∂f = (x − mean)/σ², with σ = 1 for Bernoulli: a backward pass needs nothing else.

Shapes        N samples, D features; x, f (N, D); log p (N,); a (1,), one σ for all features.
Conventions   nats. The constant of (1) is kept, so that a bound on log p(x) is a bound. x of (2) is 0 or 1,
              or between: (2) is then the mean of both log-probabilities, weighted by x, and no density of x.
Source        "Auto-encoding variational Bayes", Kingma and Welling, 2014, appendix C; lecture S1, slides
              "VAE loss".
Departures    (3) bounds log σ² smoothly: data that a decoder restores exactly would drive σ to zero and log p
              to infinity. Where a is small (3) is a, to third order.

Example
-------
>>> import numpy as np
>>> from reference.generative import likelihoods
>>> x, f = np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]])              # a probability of ½ for each
>>> likelihoods.BERNOULLI.log_prob(x, f, None).round(4), likelihoods.BERNOULLI.mean(f)
(array([-1.3863]), array([[0.5, 0.5]]))
"""
from collections.abc import Callable
from typing import NamedTuple

import autograd.numpy as np
from autograd.extend import defvjp, primitive

from reference.runtime import checks
from reference.runtime.protocols import Array

__all__ = ["Likelihood", "GAUSSIAN", "FIXED_GAUSSIAN", "BERNOULLI", "bounded", "unbounded"]
SHARED = ["B", "check_likelihood", "likelihood_named", "raw_log_var"]
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
    return B * np.tanh(a / B)                                         # (3)


def unbounded(log_var: Array) -> Array:
    """The a of (3), for a log-variance strictly between −B and B."""
    return B * np.arctanh(log_var / B)


def _gaussian_log_prob(x, f, a):
    log_var = bounded(a)
    squares = np.sum((x - f)**2, axis=1)
    return -0.5 * squares / np.exp(log_var) - 0.5 * x.shape[1] * (np.log(2 * np.pi) + log_var)        # (1)


def _gaussian_draw(rng, f, a):
    return f + np.exp(0.5 * bounded(a)) * rng.standard_normal(f.shape)


def _bernoulli_log_prob(x, f, a):
    return np.sum(x * f - np.logaddexp(0, f), axis=1)                 # (2)


def _bernoulli_mean(f):
    return np.exp(-np.logaddexp(0, -f))


def _bernoulli_draw(rng, f, a):
    return 1.0 * (rng.random(f.shape) < _bernoulli_mean(f))


_held = primitive(lambda a: a)
defvjp(_held, lambda held, a: lambda g: 0 * g)                        # no gradient: training leaves σ alone

GAUSSIAN = Likelihood("gaussian", _gaussian_log_prob, lambda f: 1.0 * f, _gaussian_draw, True, True)
FIXED_GAUSSIAN = GAUSSIAN._replace(name="fixed gaussian", learns_sigma=False,
                                   log_prob=lambda x, f, a: _gaussian_log_prob(x, f, _held(a)))
BERNOULLI = Likelihood("bernoulli", _bernoulli_log_prob, _bernoulli_mean, _bernoulli_draw, False, False)


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
    log_var = 2 * np.log(checks.check_positive("sigma", sigma))
    if not -B < log_var < B:
        raise ValueError("sigma: expected a number between e^-8 and e^8, in units of the data's scale, "
                         f"got {sigma:.3g}")
    return unbounded(log_var)
