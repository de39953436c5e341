"""Affine-invariant ensemble sampling by emcee: behind the same call as the samplers of this library.

The mathematics is in `reference.inference.emcee_sampler`. Same draws; emcee moves its walkers on the host in float64, and half of them
at a time are brought to where the target lives, evaluated there as one batch, and their log-densities fetched: two transfers for each half.
"""
import sys

import numpy as np

from accel.device import like, to_host
from accel.inference import chains
from accel.inference.chains import State

__all__ = ["sample"]


def sample(rng, target, start, *, n_samples, n_warmup=500, progress=False):
    """Run the walkers; what is kept lives where the target's values live, in their dtype."""
    start = chains.check_start(start)
    if len(start) < 2 * start.shape[1] or len(start) % 2:
        raise ValueError(f"start: expected an even number of chains, at least {2 * start.shape[1]}, got {len(start)}")
    return chains.collect("emcee_sampler", walk(rng, target, start), n_samples=n_samples, n_warmup=n_warmup, progress=progress)


def walk(rng, target, start):
    """The states of the walkers. A number that is not finite is kept from emcee, and reported when it hands back."""
    emcee, bad = imported(), []
    there = target.log_prob(start)
    chains.check_supported(there)

    def known(u):
        log_prob = to_host(target.log_prob(like(there, u))).astype(np.float64)
        bad.append(~(log_prob < np.inf))
        return np.where(bad[-1], -np.inf, log_prob)
    sampler = emcee.EnsembleSampler(*start.shape, known, vectorize=True)
    sampler.random_state = np.random.RandomState(seed(rng)).get_state()
    first = emcee.State(to_host(start).astype(np.float64), log_prob=to_host(there).astype(np.float64))
    for state in sampler.sample(first, iterations=sys.maxsize, store=False):
        if np.concatenate(bad).any():
            raise chains.NotFinite("log_prob", int(np.concatenate(bad).sum()))
        bad.clear()
        yield State(like(there, state.coords), like(there, state.log_prob))


def seed(rng):
    """One number for a generator that is not ours."""
    return int(to_host(rng.integers(0, 2**31 - 1, size=1))[0])


def imported():
    """emcee, or an ImportError that says how to get it."""
    try:
        import emcee
    except ImportError:
        raise ImportError("emcee_sampler needs emcee, which is not installed: pip install 'diptych[samplers]'") from None
    return emcee
