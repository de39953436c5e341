"""Likelihoods of a decoder: what its outputs f say about the data x, as a log-density, a mean and a draw.

    (1)  Gaussian     log p(x|f) = −‖x − f‖²/(2σ²) − (D/2) log 2πσ²       f is the mean
    (2)  Bernoulli    log p(x|f) = ∑ⱼ xⱼ fⱼ − log(1 + e^{fⱼ})             f is the logit, 1/(1 + e^{−f}) the mean
    (3)  log σ² = B tanh(a/B),   B = 16                                   σ between e⁻⁸ and e⁸

Either way ∂ log p/∂f = (x − mean)/σ², with σ = 1 for Bernoulli: all that a backward pass needs.

Shapes        N samples, D features; x, f (N, D); log p (N,); a (1,), one σ for all features.
Conventions   nats. The constant of (1) is kept, so that a bound on log p(x) is one. x of (2) is 0 or 1, or between: (2) is then the
              mean of both log-probabilities, weighted by x, and no density of x.
Source        "Auto-encoding variational Bayes", Kingma and Welling, 2014, appendix C; lecture S1, slides "VAE loss".
Departures    (3) bounds log σ² smoothly: data that a decoder restores exactly would drive σ to zero and log p to infinity. Where a
              is small (3) is a, to third order.
"""
from collections.abc import Callable
from typing import NamedTuple

import autograd.numpy as np
from autograd.extend import defvjp, primitive

__all__ = ["Likelihood", "GAUSSIAN", "FIXED_GAUSSIAN", "BERNOULLI", "bounded", "unbounded"]
SHARED = ["B", "likelihood_named"]
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
    return B * np.tanh(a / B)                                         # (3)


def unbounded(log_var):
    """The a of (3), for a log-variance strictly between −B and B."""
    return B * np.arctanh(log_var / B)


def _gaussian_log_prob(x, f, a):
    log_var = bounded(a)
    return -0.5 * np.sum((x - f)**2, axis=1) / np.exp(log_var) - 0.5 * x.shape[1] * (np.log(2 * np.pi) + log_var)      # (1)


def _gaussian_draw(rng, f, a):
    return f + np.exp(0.5 * bounded(a)) * rng.standard_normal(f.shape)


def _bernoulli_log_prob(x, f, a):
    return np.sum(x * f - np.logaddexp(0, f), axis=1)                 # (2)


def _bernoulli_mean(f):
    return np.exp(-np.logaddexp(0, -f))


_held = primitive(lambda a: a)
defvjp(_held, lambda held, a: lambda g: 0 * g)                        # no gradient: training leaves σ alone

GAUSSIAN = Likelihood("gaussian", _gaussian_log_prob, lambda f: 1.0 * f, _gaussian_draw, True, True)
FIXED_GAUSSIAN = GAUSSIAN._replace(name="fixed gaussian", log_prob=lambda x, f, a: _gaussian_log_prob(x, f, _held(a)), learns_sigma=False)
BERNOULLI = Likelihood("bernoulli", _bernoulli_log_prob, _bernoulli_mean,
                       lambda rng, f, a: 1.0 * (rng.random(f.shape) < _bernoulli_mean(f)), False, False)


def likelihood_named(name):
    """The likelihood that has this name, as a saved model remembers it."""
    found = [likelihood for likelihood in (GAUSSIAN, FIXED_GAUSSIAN, BERNOULLI) if likelihood.name == name]
    if not found:
        raise ValueError(f"name: expected gaussian, fixed gaussian or bernoulli, got {name!r}")
    return found[0]
