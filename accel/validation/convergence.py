"""Convergence of Markov chains: whether they agree, and how many independent draws they are worth.

The mathematics is in `reference.validation.convergence`. Same values: statistics are computed in float64
whatever the dtype of the chains, and returned in it. The Fourier transform is linear, so that the power is
averaged over the halves first and one inverse transform serves them all; the variance within is its lag zero.
Chains stay where they live; the scan (7), which goes lag by lag, is done on the host, with one transfer of
the autocorrelations.

Example

    >>> import numpy as np
    >>> from accel.validation import convergence
    >>> chains = np.random.default_rng(0).standard_normal((4, 1000, 1))
    >>> bool(convergence.r_hat(chains)[0] < 1.01), bool(convergence.effective_sample_size(chains)[0] > 3000)
    (True, True)
    >>> bool(convergence.r_hat(chains + np.arange(4)[:, None, None])[0] < 1.01)
    False
"""
import math

import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array
from accel.device import array_module, special, to_host

__all__ = ["r_hat", "effective_sample_size"]


def r_hat(chains: Array) -> Array:
    """The rank-normalised split R̂ of every parameter, (D,).

    Parameters
    ----------
    chains : (C, n, D) float
        One or more chains of at least four draws, warm-up left out.

    Raises
    ------
    ValueError
        If chains has another shape, is too short, or holds a number that is not finite.
    """
    chains = check_chains(chains)
    halves, xp = split(chains), array_module(chains)
    location = plain_r_hat(normal_scores(halves))
    halves -= xp.median(halves, axis=(0, 1))
    spread = plain_r_hat(normal_scores(xp.abs(halves, out=halves)))
    return xp.maximum(location, spread, out=location).astype(chains.dtype, copy=False)                 # (5)


def effective_sample_size(chains: Array) -> Array:
    """The number of independent draws that would estimate the mean of each parameter as well, (D,).

    Parameters
    ----------
    chains : (C, n, D) float
        One or more chains of at least four draws, warm-up left out.

    Raises
    ------
    ValueError
        If chains has another shape, is too short, or holds a number that is not finite.
    """
    chains = check_chains(chains)
    halves, xp = split(chains), array_module(chains)
    total, h = halves.shape[0] * halves.shape[1], halves.shape[1]
    means = halves.mean(axis=1)
    halves -= means[:, None]
    gamma = to_host(mean_autocovariance(halves))
    within = gamma[0] * (h / (h - 1))
    variance = gamma[0] + to_host(means.var(axis=0, ddof=1))                                           # (2)
    with np.errstate(divide="ignore", invalid="ignore"):
        gamma *= h / (h - 1)
        rho = np.subtract(within, gamma, out=gamma)
        rho /= -variance
        rho += 1                                                                                       # (6)
    tau = np.maximum(correlation_time(rho), 1 / math.log10(total))
    ess = xp.asarray(np.where(np.isnan(rho[0]), np.nan, total / tau))                                  # (8)
    return ess.astype(chains.dtype, copy=False)


def correlation_time(rho: Array) -> Array:
    """τ of (8), (D,), from autocorrelations at every lag (h, D), on the host."""
    pairs = rho[0:len(rho) - 1:2] + rho[1::2]
    positive = np.logical_and.accumulate(pairs > 0, axis=0)
    return 2 * np.minimum.accumulate(pairs, axis=0).sum(axis=0, where=positive) - 1                    # (7)


def check_chains(chains: Array) -> Array:
    """The chains as a finite array, long enough to be cut, or a ValueError."""
    chains = checks.as_array("chains", chains, ("C", "n", "D"))
    checks.check_count("chains: number of chains", chains.shape[0])
    checks.check_count("chains: number of draws", chains.shape[1], least=4)
    checks.check_finite("chains", chains)
    return chains


def split(chains: Array) -> Array:
    """The first and the last h draws of each chain, (2C, h, D), in float64: a new array."""
    xp, (n_chains, n, dim) = array_module(chains), chains.shape
    halves = xp.empty((2 * n_chains, n // 2, dim))
    halves[:n_chains], halves[n_chains:] = chains[:, :n // 2], chains[:, -(n // 2):]                   # (1)
    return halves


def plain_r_hat(halves: Array) -> Array:
    """(3), (D,)."""
    h, xp = halves.shape[1], array_module(halves)
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    ratio = halves.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio /= within
    ratio += (h - 1) / h                                              # (2) over W; NaN stays NaN
    return xp.sqrt(ratio, out=ratio)                                                                   # (3)


def normal_scores(values: Array) -> Array:
    """(4) for values (m, h, D), column by column."""
    xp, total = array_module(values), values.shape[0] * values.shape[1]
    scores = xp.empty_like(values)
    for d in range(values.shape[2]):
        column = values[:, :, d].reshape(-1)
        ordered, rank = xp.sort(column), scores[:, :, d]
        twice = xp.searchsorted(ordered, column, "left") + xp.searchsorted(ordered, column, "right")
        rank[...] = twice.reshape(rank.shape)
    scores += 1 - 3 / 4
    scores /= 2 * (total + 1 / 4)
    return special(scores).ndtri(scores, out=scores)                                                   # (4)


def mean_autocovariance(centred: Array) -> Array:
    """γ of (6) at every lag, averaged over the halves, (h, D)."""
    h, xp = centred.shape[1], array_module(centred)
    spectrum = xp.fft.rfft(centred, 2 * h, axis=1)
    power = xp.einsum("jfd,jfd->fd", spectrum.real, spectrum.real)
    power += xp.einsum("jfd,jfd->fd", spectrum.imag, spectrum.imag)
    return xp.fft.irfft(power, 2 * h, axis=0)[:h] / (h * len(centred))
