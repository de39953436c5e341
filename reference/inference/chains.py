"""Markov chains side by side: what a sampler yields and returns, and the loop that drives it.

A sampler has a generator that yields the State of all its chains, one iteration after another:

    state ← next(states),   for iteration = 1 … n_warmup + n_samples;   kept if iteration > n_warmup

`collect` is this loop. A run that stops early keeps its iterations: an interruption (Ctrl-C) returns them
with a warning, and a log-density or gradient that is NaN or +inf raises NonFiniteTargetError, which carries
them. A log-density of −inf is legal: the point lies outside the support.

Shapes        C chains, n kept iterations, d′ unconstrained parameters; u (C, n, d′).
Conventions   nats.

Example

    >>> import numpy as np
    >>> from reference.inference import chains
    >>> def states():
    ...     u = np.zeros((2, 1))
    ...     while True:
    ...         u = u + 1
    ...         yield chains.State(u, -u[:, 0])
    >>> chains.collect("count", states(), n_samples=3, n_warmup=1).u[0, :, 0].tolist()
    [2.0, 3.0, 4.0]
"""
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from reference.runtime import checks
from reference.runtime.progress import progress_bar
from reference.runtime.protocols import Array

__all__ = ["State", "Chains", "Sampler", "NonFiniteTargetError", "collect"]
SHARED = ["NotFinite"]
__all__ += SHARED


class State(NamedTuple):
    """The state of all chains after one iteration.

    Attributes
    ----------
    u : (C, d′) float
    log_prob : (C,) float
        The target's, in unconstrained space.
    acceptance : (C,) float or None
        The probability with which the last proposal was accepted; None for a sampler without one.
    divergent : (C,) bool or None
        Whether the last trajectory diverged; None for a sampler without trajectories.
    """
    u: Array
    log_prob: Array
    acceptance: Array | None = None
    divergent: Array | None = None


class Chains(NamedTuple):
    """The kept iterations of all chains.

    Attributes
    ----------
    u : (C, n, d′) float
        After warm-up.
    log_prob : (C, n) float
        The target's, in unconstrained space.
    acceptance : float
        Mean acceptance probability after warm-up; NaN for a sampler without one.
    n_divergent : int
        Number of trajectories that diverged after warm-up.
    """
    u: Array
    log_prob: Array
    acceptance: float = np.nan
    n_divergent: int = 0


class Sampler(Protocol):
    """A module that runs Markov chains: `metropolis`, `slice_sampler`, `hmc` or `emcee_sampler`.

    Attributes
    ----------
    sample : callable
        (rng, target, start (C, d′), *, n_samples, n_warmup, progress) → Chains.
    """
    __name__: str
    sample: Callable[..., Chains]


class NonFiniteTargetError(ArithmeticError):
    """The target became NaN or +inf.

    Attributes
    ----------
    sampler : str
    iteration : int
        Counted from 1, warm-up included.
    n_chains : int
        The number of chains in which it happened.
    chains : Chains or None
        The iterations kept before; None if there are none.
    theta : (k, P) float or None
        The same draws as parameters, from `run_chains.sample`.
    """

    def __init__(self, sampler: str, iteration: int, what: str, n_chains: int, chains: Chains | None):
        kept = 0 if chains is None else chains.u.shape[1]
        super().__init__(f"{sampler}: the target's {what} is NaN or +inf in {n_chains} of the chains at "
                         f"iteration {iteration} (.chains holds the {kept} iterations kept before)")
        self.sampler, self.iteration, self.what, self.n_chains = sampler, iteration, what, n_chains
        self.chains, self.theta = chains, None

    def __reduce__(self):
        arguments = self.sampler, self.iteration, self.what, self.n_chains, self.chains
        return type(self), arguments, {"theta": self.theta}


class NotFinite(Exception):
    """Raised by a generator of states, with what was not finite and in how many chains."""


def collect(sampler: str, states: Iterator[State], *, n_samples: int, n_warmup: int,
            progress: bool = False) -> Chains:
    """Run the chains and keep the iterations after the warm-up.

    Parameters
    ----------
    sampler : str
        The name in warnings and errors.
    states : iterator of State
    n_samples, n_warmup : int
        Iterations to keep, and to drop before.
    progress : bool
        Show a progress bar (tqdm).

    Returns
    -------
    Chains

    Raises
    ------
    ValueError
        If n_samples or n_warmup is out of range.
    NonFiniteTargetError
        If the target is NaN or +inf at some point.

    Warns
    -----
    UserWarning
        If the run was interrupted after some iterations were kept; these are returned.
    """
    n_samples = checks.check_count("n_samples", n_samples)
    n_warmup = checks.check_count("n_warmup", n_warmup, least=0)
    kept, iteration, bar = [], 0, progress_bar(progress, n_warmup + n_samples, unit="iteration")
    try:
        for iteration in range(1, n_warmup + n_samples + 1):
            state = next(states)
            if iteration > n_warmup:
                kept.append(state)
            bar.update(1)
    except KeyboardInterrupt:
        if not kept:
            raise
        warnings.warn(f"{sampler} was interrupted; {len(kept)} of {n_samples} iterations are returned",
                      stacklevel=2)
    except NotFinite as error:
        raise NonFiniteTargetError(sampler, iteration, *error.args, stacked(kept)) from None
    finally:
        bar.close()
    return stacked(kept)


def stacked(states: list[State]) -> Chains | None:
    """The states as Chains; None if there are none."""
    if not states:
        return None
    u, log_prob, acceptance, divergent = zip(*states)
    return Chains(np.stack(u, axis=1), np.stack(log_prob, axis=1),
                  acceptance=np.nan if acceptance[0] is None else float(np.mean(acceptance)),
                  n_divergent=0 if divergent[0] is None else int(np.sum(divergent)))
