"""Markov chains side by side: what a sampler returns, and the loop that drives it.

A sampler is a walk: a generator that yields the State of all its chains, iteration after iteration. `collect` lets it warm up,
keeps what it yields from then on, and loses nothing that was kept: an interruption returns it with a warning, a log-density or
gradient that is NaN or +inf raises NonFiniteTargetError, which carries it. A log-density of −inf is legal: outside the support.

Shapes        C chains, n kept iterations, d′ unconstrained parameters; u (C, n, d′).
Source        the loop is known to all; "stop and say so" is a rule of this library.
"""
import warnings
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.progress import progress_bar

__all__ = ["State", "Chains", "NonFiniteTargetError", "collect"]


class State(NamedTuple):
    """Where the chains are.

    Attributes
    ----------
    u : (C, d′) float
    log_prob : (C,) float
        The target's, in unconstrained space.
    acceptance : (C,) float or None
        The probability with which the last proposal was accepted, where there was one.
    divergent : (C,) bool or None
        Whether the last trajectory diverged, where there was one.
    """
    u: np.ndarray
    log_prob: np.ndarray
    acceptance: np.ndarray | None = None
    divergent: np.ndarray | None = None


class Chains(NamedTuple):
    """What a sampler returns.

    Attributes
    ----------
    u : (C, n, d′) float
        After warm-up.
    log_prob : (C, n) float
        The target's, in unconstrained space.
    acceptance : float
        Mean acceptance probability after warm-up; NaN for a sampler without one.
    n_divergent : int
        Trajectories that diverged after warm-up.
    log_evidence, log_evidence_error : float
        log ∫ p(x|u) p(u) du and its standard error, nats; NaN for a sampler that does not know it.
    ess : float
        Effective sample size, where the sampler knows it from the weights of independent draws; NaN for chains.
    """
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


def check_finite_log_prob(log_prob):
    """Raise NotFinite if a log-density (…, C) is NaN or +inf, in how many of the C chains."""
    bad = ~(log_prob < np.inf)
    if bad.any():
        raise NotFinite("log_prob", int(bad.reshape(-1, bad.shape[-1]).any(axis=0).sum()))


def check_start(start):
    """The start as a finite (C, d′) array, or a ValueError."""
    start = checks.as_array("start", start, ("C", "d"))
    checks.check_count("start: number of chains", len(start))
    checks.check_finite("start", start)
    return start


def check_supported(log_prob):
    """Raise ValueError if a chain starts where the log-density is −inf; NotFinite if it is NaN or +inf."""
    check_finite_log_prob(log_prob)
    if np.isneginf(log_prob).any():
        raise ValueError(f"start: expected points inside the target's support, got {int(np.isneginf(log_prob).sum())} of "
                         f"{len(log_prob)} with a density of zero")


def collect(sampler, walk, *, n_samples, n_warmup, progress=False):
    """Drive a walk and keep what follows the warm-up.

    Parameters
    ----------
    sampler : str
        What to call it in a warning or an error.
    walk : generator of State
    n_samples, n_warmup : int
        Iterations to keep, and to let pass before.
    progress : bool
        Show a progress bar (tqdm).

    Raises
    ------
    NonFiniteTargetError
        If the target is NaN or +inf somewhere on the way.
    """
    n_samples, n_warmup = checks.check_count("n_samples", n_samples), checks.check_count("n_warmup", n_warmup, least=0)
    kept, iteration, bar = [], 0, progress_bar(progress, n_warmup + n_samples, unit="iteration")
    try:
        for iteration in range(1, n_warmup + n_samples + 1):
            state = next(walk)
            if iteration > n_warmup:
                kept.append(state)
            bar.update(1)
    except KeyboardInterrupt:
        if not kept:
            raise
        warnings.warn(f"{sampler} was interrupted; {len(kept)} of {n_samples} iterations are returned", stacklevel=2)
    except NotFinite as error:
        raise NonFiniteTargetError(sampler, iteration, *error.args, gather(kept)) from None
    finally:
        bar.close()
    return gather(kept)


def gather(states):
    """The states as Chains; None if there are none."""
    if not states:
        return None
    u, log_prob, acceptance, divergent = zip(*states)
    return Chains(np.stack(u, axis=1), np.stack(log_prob, axis=1),
                  acceptance=np.nan if acceptance[0] is None else float(np.mean(acceptance)),
                  n_divergent=0 if divergent[0] is None else int(np.sum(divergent)))
