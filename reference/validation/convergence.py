"""Convergence of Markov chains: whether they agree, and how many independent draws they are worth.

Parameter by parameter, for C chains of n draws each:

    (1)  every chain is cut into halves: m = 2C halves of h = ⌊n/2⌋ draws, S = m h      so that a drift shows
    (2)  W = meanⱼ sⱼ²,   v = (h − 1)/h W + varⱼ θ̄ⱼ           within the halves; an estimate of var θ
    (3)  R̂ = √(v/W)                                            near 1 if the halves agree
    (4)  z(θ) = Φ⁻¹((r − 3/8)/(S + 1/4))                      r = 1 … S: θ's rank among all, ties averaged
    (5)  r_hat = max(R̂ of z(θ), R̂ of z(|θ − median|))          of location, and of spread
    (6)  ρₜ = 1 − (W − h/(h − 1) meanⱼ γⱼₜ)/v,   γⱼₜ = (1/h) ∑ᵢ (θⱼᵢ − θ̄ⱼ)(θⱼ,ᵢ₊ₜ − θ̄ⱼ)
    (7)  Pₖ = ρ₂ₖ + ρ₂ₖ₊₁, up to the first that is not positive, each lowered to the least before it
    (8)  τ = −1 + 2 ∑ₖ Pₖ,   ESS = S/τ                          the variance of the mean of S draws is v τ/S

Shapes        chains (C, n, D); results (D,).
Conventions   statistics are computed in float64 whatever the dtype of the chains. R̂ is NaN if no draw
              differs from another, and inf if each half stays at a point of its own. ESS is that of the mean
              of θ, and at most S log₁₀ S.
Power         4 chains of 1,000 independent draws, how often r_hat > 1.01: all alike, at most 1 of 100 runs;
              one chain half a standard deviation off, 1.5 times as wide, drifting, or stuck for its second
              half, at least 49 of 50 runs (test_false_alarms_are_rare and test_power in
              `tests/validation/test_convergence.py`).
Source        "Rank-normalization, folding, and localization: an improved R̂", Vehtari, Gelman, Simpson,
              Carpenter and Bürkner, 2021, equations 1–4 for (2) and (3), 10 and 14 for (6)–(8), section 4 for
              (4) and (5); (7) "Practical Markov chain Monte Carlo", Geyer, 1992, section 3.3.
Departures    the original R̂ of "Bayesian Data Analysis" is (3) of θ itself: it sees no difference in spread,
              and means nothing where θ has no variance.

Example

    >>> import numpy as np
    >>> from reference.validation import convergence
    >>> chains = np.random.default_rng(0).standard_normal((4, 1000, 1))
    >>> bool(convergence.r_hat(chains)[0] < 1.01), bool(convergence.effective_sample_size(chains)[0] > 3000)
    (True, True)
    >>> bool(convergence.r_hat(chains + np.arange(4)[:, None, None])[0] < 1.01)
    False
"""
import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array

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
    halves = split(check_chains(chains))
    from_median = np.abs(halves - np.median(halves, axis=(0, 1)))
    return np.maximum(plain_r_hat(normal_scores(halves)), plain_r_hat(normal_scores(from_median)))     # (5)


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
    halves = split(check_chains(chains))
    total, h = halves.shape[0] * halves.shape[1], halves.shape[1]
    within, variance = variances(halves)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = 1 - (within - h / (h - 1) * np.mean(autocovariance(halves), axis=0)) / variance         # (6)
    tau = np.maximum(correlation_time(rho), 1 / np.log10(total))
    return np.where(np.isnan(rho[0]), np.nan, total / tau)                                            # (8)


def correlation_time(rho: Array) -> Array:
    """τ of (8), (D,), from autocorrelations at every lag (h, D)."""
    pairs = rho[0:len(rho) - 1:2] + rho[1::2]
    positive = np.cumprod(pairs > 0, axis=0)                                                     # 1 … 1 0 … 0
    return -1 + 2 * np.sum(positive * np.minimum.accumulate(pairs, axis=0), axis=0)                   # (7)


def check_chains(chains: Array) -> Array:
    """The chains as a finite array in float64, long enough to be cut, or a ValueError."""
    chains = checks.as_array("chains", chains, ("C", "n", "D"))
    checks.check_count("chains: number of chains", chains.shape[0])
    checks.check_count("chains: number of draws", chains.shape[1], least=4)
    checks.check_finite("chains", chains)
    return chains.astype(np.float64)


def split(chains: Array) -> Array:
    """The first and the last h draws of each chain, (2C, h, D), without the middle one of an odd number."""
    h = chains.shape[1] // 2
    return np.concatenate((chains[:, :h], chains[:, -h:]))                                             # (1)


def variances(halves: Array) -> tuple[Array, Array]:
    """W and v of (2), (D,) each."""
    h = halves.shape[1]
    within = np.mean(np.var(halves, axis=1, ddof=1), axis=0)
    return within, (h - 1) / h * within + np.var(np.mean(halves, axis=1), axis=0, ddof=1)              # (2)


def plain_r_hat(halves: Array) -> Array:
    """(3), (D,)."""
    within, variance = variances(halves)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(variance / within)                                                              # (3)


def normal_scores(values: Array) -> Array:
    """(4) for values (m, h, D), column by column."""
    from scipy.special import ndtri
    scores, total = np.empty(values.shape), values.shape[0] * values.shape[1]
    for d in range(values.shape[2]):
        column = values[:, :, d]
        ordered = np.sort(column, axis=None)
        rank = (np.searchsorted(ordered, column, "left") + np.searchsorted(ordered, column, "right") + 1) / 2
        scores[:, :, d] = ndtri((rank - 3 / 8) / (total + 1 / 4))                                      # (4)
    return scores


def autocovariance(halves: Array) -> Array:
    """γ of (6) at every lag, (m, h, D): the inverse Fourier transform of the padded power."""
    h = halves.shape[1]
    spectrum = np.fft.rfft(halves - np.mean(halves, axis=1, keepdims=True), 2 * h, axis=1)
    return np.fft.irfft(np.abs(spectrum)**2, 2 * h, axis=1)[:, :h] / h
