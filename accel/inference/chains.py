"""Markov chains side by side: what a sampler returns, and the loop that drives it.

The rules are in `reference.inference.chains`. Same values; a walk updates its arrays in place, and what is kept is copied into arrays that
are allocated once, on the device and in the dtype of the chains. Acceptance and divergences are summed there and fetched at the end.
"""
import warnings
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.runtime.progress import progress_bar
from accel.device import array_module, to_host

__all__ = ["State", "Chains", "NonFiniteTargetError", "collect"]


class State(NamedTuple):
    """Where the chains are: u (C, d′), log_prob (C,), and of the last proposal its acceptance and whether it diverged, (C,) or None."""
    u: np.ndarray
    log_prob: np.ndarray
    acceptance: np.ndarray | None = None
    divergent: np.ndarray | None = None


class Chains(NamedTuple):
    """What a sampler returns, on the device of its target."""
    u: np.ndarray
    log_prob: np.ndarray
    acceptance: float = np.nan
    n_divergent: int = 0
    log_evidence: float = np.nan
    log_evidence_error: float = np.nan
    ess: float = np.nan


class NonFiniteTargetError(ArithmeticError):
    """The target became NaN or +inf. Has `sampler`, `iteration` (counted from 1, warm-up included), `n_chains` (in how many) and
    `chains`, what was kept before (None if nothing was)."""

    def __init__(self, sampler, iteration, what, n_chains, chains):
        kept = 0 if chains is None else chains.u.shape[1]
        super().__init__(f"{sampler}: the target's {what} is NaN or +inf in {n_chains} of the chains at iteration {iteration} "
                         f"(.chains holds the {kept} iterations kept before)")
        self.sampler, self.iteration, self.n_chains, self.chains = sampler, iteration, n_chains, chains


class NotFinite(Exception):
    """Raised inside a walk: what was not finite, and in how many chains; `collect` knows the rest."""


def check_finite_log_prob(log_prob, rows, n_chains):
    """Raise NotFinite if a log-density is NaN or +inf; row r belongs to chain r % n_chains. One number is fetched."""
    good = log_prob < np.inf
    if not bool(good.all()):
        bad = to_host(rows)[~to_host(good)] % n_chains
        raise NotFinite("log_prob", len(set(bad.tolist())))


def check_start(start):
    """The start as a finite (C, d′) array, or a ValueError."""
    start = checks.as_array("start", start, ("C", "d"))
    checks.check_count("start: number of chains", len(start))
    checks.check_finite("start", start)
    return start


def check_supported(log_prob):
    """Raise ValueError if a chain starts where the log-density is −inf; NotFinite if it is NaN or +inf."""
    check_finite_log_prob(log_prob, np.arange(len(log_prob)), len(log_prob))
    outside = int((log_prob == -np.inf).sum())
    if outside:
        raise ValueError(f"start: expected points inside the target's support, got {outside} of {len(log_prob)} with a density of zero")


class Kept:
    """The iterations that are kept."""

    def __init__(self, n_samples):
        self.n_samples, self.n, self.u, self.log_prob, self.acceptance, self.divergent = n_samples, 0, None, None, None, None

    def add(self, state):
        if self.u is None:
            xp, (n_chains, dim) = array_module(state.u), state.u.shape
            self.u = xp.empty((n_chains, self.n_samples, dim), dtype=state.u.dtype)
            self.log_prob = xp.empty((n_chains, self.n_samples), dtype=state.u.dtype)
            self.acceptance, self.divergent = (None if a is None else xp.zeros(n_chains) for a in (state.acceptance, state.divergent))
        self.u[:, self.n], self.log_prob[:, self.n] = state.u, state.log_prob
        if self.acceptance is not None:
            self.acceptance += state.acceptance
        if self.divergent is not None:
            self.divergent += state.divergent
        self.n += 1

    def gather(self):
        """The kept iterations as Chains; None if there are none."""
        if not self.n:
            return None
        return Chains(self.u[:, :self.n], self.log_prob[:, :self.n],
                      acceptance=np.nan if self.acceptance is None else float(self.acceptance.mean()) / self.n,
                      n_divergent=0 if self.divergent is None else int(self.divergent.sum()))


def collect(sampler, walk, *, n_samples, n_warmup, progress=False):
    """Drive a walk and keep what follows the warm-up."""
    n_samples, n_warmup = checks.check_count("n_samples", n_samples), checks.check_count("n_warmup", n_warmup, least=0)
    kept, iteration, bar = Kept(n_samples), 0, progress_bar(progress, n_warmup + n_samples, unit="iteration")
    try:
        for iteration in range(1, n_warmup + n_samples + 1):
            state = next(walk)
            if iteration > n_warmup:
                kept.add(state)
            bar.update(1)
    except KeyboardInterrupt:
        if not kept.n:
            raise
        warnings.warn(f"{sampler} was interrupted; {kept.n} of {n_samples} iterations are returned", stacklevel=2)
    except NotFinite as error:
        raise NonFiniteTargetError(sampler, iteration, *error.args, kept.gather()) from None
    finally:
        bar.close()
    return kept.gather()
