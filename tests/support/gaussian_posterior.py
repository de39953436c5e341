"""A conjugate Gaussian model, whose posterior is exact, and posteriors that are wrong in a known way.

    θ_d ~ N(0, τ²),  x_d | θ_d ~ N(θ_d, σ²)   →   θ_d | x_d ~ N(κ x_d, κ σ²),  κ = τ² / (τ² + σ²)

independently for each parameter, with its own σ. A defect changes the last step alone: the posterior's
standard deviation is multiplied by `width`, and its mean moves by `bias` of the exact standard deviations.
"""
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

__all__ = ["Observations", "DEFECTS", "observe", "false_alarm_band"]

DEFECTS = {"exact": {}, "20 % too narrow": {"width": 0.8}, "25 % too wide": {"width": 1.25},
           "half a sigma of bias": {"bias": 0.5}}


class Observations(NamedTuple):
    samples: np.ndarray
    truths: np.ndarray
    log_prob_samples: np.ndarray
    log_prob_truths: np.ndarray
    mean: np.ndarray
    std: np.ndarray


def observe(rng, m, n_samples, dim, *, width=1.0, bias=0.0):
    """M observations, each with its truth, its posterior samples, and the posterior's log-density of both."""
    tau, sigma = 1.5, np.linspace(0.4, 2.5, dim)
    truths = tau * rng.standard_normal((m, dim))
    x = truths + sigma * rng.standard_normal((m, dim))
    kappa = tau**2 / (tau**2 + sigma**2)
    std = width * np.sqrt(kappa) * sigma
    mean = kappa * x + bias * np.sqrt(kappa) * sigma
    samples = mean[:, None, :] + std * rng.standard_normal((m, n_samples, dim))
    log_prob_samples, log_prob_truths = (_log_prob(theta, centre, std)
                                         for theta, centre in ((samples, mean[:, None, :]), (truths, mean)))
    return Observations(samples, truths, log_prob_samples, log_prob_truths, mean, std)


def _log_prob(theta, mean, std):
    z = (theta - mean) / std
    return -0.5 * np.einsum("...d,...d->...", z, z) - np.sum(np.log(std * np.sqrt(2 * np.pi)))


def false_alarm_band(n, level, *, probability=0.999):
    """Where the number of false alarms among n independent tests at this level lies with that probability."""
    return binom.ppf((1 - probability) / 2, n, level), binom.ppf((1 + probability) / 2, n, level)
