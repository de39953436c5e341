"""Affine-invariant ensemble sampling by emcee: behind the same call as the samplers of this library.

Half of the walkers move along lines to walkers of the other half, all in one batch (Goodman and Weare's stretch move), so that a posterior
that is narrow in an oblique direction costs no more than a round one:

    (1)  u′ = w + z (u − w),  p(z) ∝ 1/√z on [1/a, a]        w a walker of the other half; accepted with min(1, z^(d′−1) π(u′)/π(u))

Walkers talk to each other, so that their R̂ flatters them; the warning at R̂ > 1.01 is needed all the more.

Shapes        C walkers, d′ parameters; u (C, d′); C at least 2 d′, and even.
Source        "emcee: the MCMC hammer", Foreman-Mackey, Hogg, Lang and Goodman, 2013: the package `emcee`, extra `samplers`.
"""
import sys

import numpy as np

from reference.inference import chains
from reference.inference.chains import State

__all__ = ["sample"]


def sample(rng, target, start, *, n_samples, n_warmup=500, progress=False):
    """Run the walkers.

    Parameters
    ----------
    rng : Generator
        Draws one number, the seed of emcee's own generator.
    target
        Has `log_prob(u)` → (N,) for u (N, d′).
    start : (C, d′) float
        Where the walkers start: an even number of different points, at least 2 d′, inside the target's support.
    n_samples, n_warmup : int
        Iterations to keep and to drop before.
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
        If start is no finite (C, d′) array, has too few or an odd number of walkers, or lies outside the support.
    NonFiniteTargetError
        If the log-density is NaN or +inf somewhere on the way.
    """
    start = chains.check_start(start)
    if len(start) < 2 * start.shape[1] or len(start) % 2:
        raise ValueError(f"start: expected an even number of chains, at least {2 * start.shape[1]}, got {len(start)}")
    return chains.collect("emcee_sampler", walk(rng, target, start), n_samples=n_samples, n_warmup=n_warmup, progress=progress)


def walk(rng, target, start):
    """The states of the walkers. A number that is not finite is kept from emcee, and reported when it hands back."""
    emcee, bad = imported(), []
    log_prob = target.log_prob(start)
    chains.check_supported(log_prob)

    def known(u):
        log_prob = target.log_prob(u)
        bad.append(~(log_prob < np.inf))
        return np.where(bad[-1], -np.inf, log_prob)
    sampler = emcee.EnsembleSampler(*start.shape, known, vectorize=True)
    sampler.random_state = np.random.RandomState(seed(rng)).get_state()
    for state in sampler.sample(emcee.State(start, log_prob=log_prob), iterations=sys.maxsize, store=False):
        if np.concatenate(bad).any():
            raise chains.NotFinite("log_prob", int(np.concatenate(bad).sum()))
        bad.clear()
        yield State(state.coords.copy(), state.log_prob.copy())


def seed(rng):
    """One number for a generator that is not ours."""
    return int(rng.integers(0, 2**31 - 1, size=1)[0])


def imported():
    """emcee, or an ImportError that says how to get it."""
    try:
        import emcee
    except ImportError:
        raise ImportError("emcee_sampler needs emcee, which is not installed: pip install 'diptych[samplers]'") from None
    return emcee
