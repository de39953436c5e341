"""Affine-invariant ensemble sampling by emcee, called like the samplers of this library.

The mathematics is in `reference.inference.emcee_sampler`. Same draws; a thin wrapper around the same package,
which moves its walkers on the host in float64. Half of the walkers at a time are brought to where the target
lives, evaluated there as one batch, and their log-densities fetched: two transfers for each half, so that a
CPU may be faster.

Example

    >>> import numpy as np
    >>> from accel import priors
    >>> from accel.inference import emcee_sampler, target
    >>> standard_normal = target.Target(priors.Normal(0.0, 1.0), lambda u: 0 * u[:, 0])
    >>> rng, start = np.random.default_rng(0), np.linspace(-1, 1, 50)[:, None]
    >>> chains = emcee_sampler.sample(rng, standard_normal, start, n_samples=300, n_warmup=50)
    >>> np.allclose((chains.u.mean(), chains.u.std()), (0.0, 1.0), atol=0.1)
    True
"""
import sys
from collections.abc import Iterator

import numpy as np

from accel.runtime.protocols import Array, Rng, Target
from accel.device import like, to_host
from accel.inference import chains, target_checks
from accel.inference.chains import State

__all__ = ["sample"]


def sample(rng: Rng, target: Target, start: Array, *, n_samples: int, n_warmup: int = 500,
           progress: bool = False) -> chains.Chains:
    """Run the walkers.

    Parameters
    ----------
    rng : Generator
        Draws one number, the seed of emcee's own generator.
    target : Target
        Has `log_prob(u)` → (N,) for u (N, d′), as `target.Target`.
    start : (C, d′) float
        Where the walkers start: an even number of different points, at least 2 d′, inside the target's
        support.
    n_samples, n_warmup : int
        Iterations to keep, and to drop before.
    progress : bool
        Show a progress bar (tqdm).

    Returns
    -------
    Chains

    Raises
    ------
    ImportError
        If emcee is not installed.
    ValueError
        If start is no finite (C, d′) array, has too few or an odd number of walkers, or lies outside the
        support.
    NonFiniteTargetError
        If the log-density is NaN or +inf at some point.
    """
    start = target_checks.check_start(start)
    if len(start) < 2 * start.shape[1] or len(start) % 2:
        raise ValueError(f"start: expected an even number of chains, at least {2 * start.shape[1]}, "
                         f"got {len(start)}")
    return chains.collect("emcee_sampler", states(rng, target, start), n_samples=n_samples, n_warmup=n_warmup,
                          progress=progress)


def states(rng: Rng, target: Target, start: Array) -> Iterator[State]:
    """The states of the walkers. emcee gets −inf for NaN and +inf, which are reported after its iteration."""
    emcee, bad = import_emcee(), []
    there = target.log_prob(start)
    target_checks.check_supported(there)

    def log_prob_below_inf(u):
        log_prob = to_host(target.log_prob(like(there, u))).astype(np.float64)
        bad.append(~(log_prob < np.inf))
        return np.where(bad[-1], -np.inf, log_prob)
    sampler = emcee.EnsembleSampler(*start.shape, log_prob_below_inf, vectorize=True)
    sampler.random_state = np.random.RandomState(seed(rng)).get_state()
    first = emcee.State(to_host(start).astype(np.float64), log_prob=to_host(there).astype(np.float64))
    for state in sampler.sample(first, iterations=sys.maxsize, store=False):
        if np.concatenate(bad).any():
            raise chains.NotFinite("log_prob", int(np.concatenate(bad).sum()))
        bad.clear()
        yield State(like(there, state.coords), like(there, state.log_prob))


def seed(rng: Rng) -> int:
    """A seed for emcee's generator."""
    return int(to_host(rng.integers(0, 2**31 - 1, size=1))[0])


def import_emcee():
    """emcee, or an ImportError that says how to get it."""
    try:
        import emcee
    except ImportError:
        raise ImportError("emcee_sampler needs emcee, which is not installed: "
                          "pip install 'diptych[samplers]'") from None
    return emcee
