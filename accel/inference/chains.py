"""Markov chains side by side: what a sampler yields and returns, and the loop that drives it.

The rules are in `reference.inference.chains`. Same values; the generators of states update their arrays in
place, and `collect` copies what is kept into arrays that it allocates once, on the device and in the dtype of
the chains. Acceptance and divergences are summed there and fetched at the end.

Example

    >>> import numpy as np
    >>> from accel.inference import chains
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

from accel.runtime import checks
from accel.runtime.progress import progress_bar
from accel.runtime.protocols import Array
from accel.device import array_module

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


class Kept:
    """The iterations that are kept."""

    def __init__(self, n_samples: int):
        self.n_samples, self.n, self.u, self.log_prob = n_samples, 0, None, None
        self.acceptance, self.divergent = None, None

    def add(self, state: State) -> None:
        """Copy one iteration."""
        if self.u is None:
            xp, (n_chains, dim) = array_module(state.u), state.u.shape
            self.u = xp.empty((n_chains, self.n_samples, dim), dtype=state.u.dtype)
            self.log_prob = xp.empty((n_chains, self.n_samples), dtype=state.u.dtype)
            self.acceptance, self.divergent = (None if a is None else xp.zeros(n_chains)
                                               for a in (state.acceptance, state.divergent))
        self.u[:, self.n], self.log_prob[:, self.n] = state.u, state.log_prob
        if self.acceptance is not None:
            self.acceptance += state.acceptance
        if self.divergent is not None:
            self.divergent += state.divergent
        self.n += 1

    def stacked(self) -> Chains | None:
        """The kept iterations as Chains; None if there are none."""
        if not self.n:
            return None
        acceptance = np.nan if self.acceptance is None else float(self.acceptance.mean()) / self.n
        n_divergent = 0 if self.divergent is None else int(self.divergent.sum())
        return Chains(self.u[:, :self.n], self.log_prob[:, :self.n], acceptance, n_divergent)


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
    kept, iteration, bar = Kept(n_samples), 0, progress_bar(progress, n_warmup + n_samples, unit="iteration")
    try:
        for iteration in range(1, n_warmup + n_samples + 1):
            state = next(states)
            if iteration > n_warmup:
                kept.add(state)
            bar.update(1)
    except KeyboardInterrupt:
        if not kept.n:
            raise
        warnings.warn(f"{sampler} was interrupted; {kept.n} of {n_samples} iterations are returned",
                      stacklevel=2)
    except NotFinite as error:
        raise NonFiniteTargetError(sampler, iteration, *error.args, kept.stacked()) from None
    finally:
        bar.close()
    return kept.stacked()
