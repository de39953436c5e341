"""Convergence of Markov chains: whether they agree with each other, and how many independent draws theirs are worth.

The mathematics is in `reference.validation.convergence`. Same values: statistics are computed in float64 whatever the dtype of the
chains, and returned in it. The Fourier transform is linear, so that the power is averaged over the halves first and one inverse
transform serves them all; the variance within is its lag zero. Chains stay where they live; the scan (7), which goes lag by lag, is done
on the host, with one transfer of the autocorrelations.
"""
import math

import numpy as np

from accel.runtime import checks
from accel.device import array_module, special, to_host

__all__ = ["r_hat", "effective_sample_size"]


def r_hat(chains):
    """The rank-normalised split R̂ of every parameter, (D,)."""
    halves, dtype = split(check_chains(chains)), chains.dtype if hasattr(chains, "dtype") else np.float64
    xp = array_module(halves)
    place = plain_r_hat(normal_scores(halves))
    halves -= xp.median(halves, axis=(0, 1))
    spread = plain_r_hat(normal_scores(xp.abs(halves, out=halves)))
    return as_given(xp.maximum(place, spread, out=place), dtype)


def effective_sample_size(chains):
    """How many independent draws would know the mean of each parameter as well, (D,); chains as in `r_hat`."""
    halves, dtype = split(check_chains(chains)), chains.dtype if hasattr(chains, "dtype") else np.float64
    xp, total, h = array_module(halves), halves.shape[0] * halves.shape[1], halves.shape[1]
    means = halves.mean(axis=1)
    halves -= means[:, None]
    gamma = to_host(mean_autocovariance(halves))
    within = gamma[0] * (h / (h - 1))
    variance = gamma[0] + to_host(means.var(axis=0, ddof=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        gamma *= h / (h - 1)
        rho = np.subtract(within, gamma, out=gamma)
        rho /= -variance
        rho += 1
    tau = np.maximum(correlation_time(rho), 1 / math.log10(total))
    return as_given(xp.asarray(np.where(np.isnan(rho[0]), np.nan, total / tau)), dtype)


def correlation_time(rho):
    """τ of (8), (D,), from autocorrelations at every lag (h, D), on the host."""
    pairs = rho[0:len(rho) - 1:2] + rho[1::2]
    positive = np.logical_and.accumulate(pairs > 0, axis=0)
    return 2 * np.minimum.accumulate(pairs, axis=0).sum(axis=0, where=positive) - 1


def check_chains(chains):
    """The chains as a finite array, long enough to be cut, or a ValueError."""
    chains = checks.as_array("chains", chains, ("C", "n", "D"))
    checks.check_count("chains: number of chains", chains.shape[0])
    checks.check_count("chains: number of draws", chains.shape[1], least=4)
    checks.check_finite("chains", chains)
    return chains


def as_given(result, dtype):
    """The result in the dtype of the chains, float64 for integers."""
    return result.astype(dtype if np.dtype(dtype).kind == "f" else np.float64, copy=False)


def split(chains):
    """(1): the first and the last h draws of each chain, (2C, h, D), in float64: a new array."""
    xp, (n_chains, n, dim) = array_module(chains), chains.shape
    halves = xp.empty((2 * n_chains, n // 2, dim))
    halves[:n_chains], halves[n_chains:] = chains[:, :n // 2], chains[:, -(n // 2):]
    return halves


def plain_r_hat(halves):
    """(3), (D,)."""
    h, xp = halves.shape[1], array_module(halves)
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    ratio = halves.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio /= within
    ratio += (h - 1) / h                                              # NaN, if nothing differs, stays NaN
    return xp.sqrt(ratio, out=ratio)


def normal_scores(values):
    """(4) for values (m, h, D), column by column."""
    xp, scores, total = array_module(values), array_module(values).empty_like(values), values.shape[0] * values.shape[1]
    for d in range(values.shape[2]):
        column = values[:, :, d].reshape(-1)
        ordered, rank = xp.sort(column), scores[:, :, d]
        rank[...] = (xp.searchsorted(ordered, column, "left") + xp.searchsorted(ordered, column, "right")).reshape(rank.shape)
    scores += 1 - 3 / 4
    scores /= 2 * (total + 1 / 4)
    return special(scores).ndtri(scores, out=scores)


def mean_autocovariance(centred):
    """γ of (6) at every lag, averaged over the halves, (h, D)."""
    h, xp = centred.shape[1], array_module(centred)
    spectrum = xp.fft.rfft(centred, 2 * h, axis=1)
    power = xp.einsum("jfd,jfd->fd", spectrum.real, spectrum.real)
    power += xp.einsum("jfd,jfd->fd", spectrum.imag, spectrum.imag)
    return xp.fft.irfft(power, 2 * h, axis=0)[:h] / (h * len(centred))
