"""Affine-invariant ensemble sampling by emcee, called like the samplers of this library.

Half of the walkers move along lines to walkers of the other half, all in one batch (the stretch move of
Goodman and Weare), so that a narrow, oblique posterior costs no more than a round one:

    (1)  u′ = w + z (u − w),   p(z) ∝ 1/√z on [1/a, a]       w: a walker of the other half
    (2)  accepted with probability min(1, z^(d′−1) π(u′)/π(u))

This page calls the package `emcee`, which does (1) and (2). Walkers are not independent, so R̂ is optimistic:
take a warning at R̂ > 1.01 seriously.

Shapes        C walkers, d′ parameters; u (C, d′); C at least 2 d′, and even.
Conventions   nats.
Source        "emcee: the MCMC hammer", Foreman-Mackey, Hogg, Lang and Goodman, 2013: the package `emcee`,
              extra `samplers`.

Example

    >>> import numpy as np
    >>> from reference import priors
    >>> from reference.inference import emcee_sampler, target
    >>> standard_normal = target.Target(priors.Normal(0.0, 1.0), lambda u: 0 * u[:, 0])
    >>> rng, start = np.random.default_rng(0), np.linspace(-1, 1, 50)[:, None]
    >>> chains = emcee_sampler.sample(rng, standard_normal, start, n_samples=300, n_warmup=50)
    >>> np.allclose((chains.u.mean(), chains.u.std()), (0.0, 1.0), atol=0.1)
    True
"""
import sys
from collections.abc import Iterator

import numpy as np

from reference.runtime.protocols import Array, Rng, Target
from reference.inference import chains, target_checks
from reference.inference.chains import State

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
    log_prob = target.log_prob(start)
    target_checks.check_supported(log_prob)

    def log_prob_below_inf(u):
        log_prob = target.log_prob(u)
        bad.append(~(log_prob < np.inf))
        return np.where(bad[-1], -np.inf, log_prob)
    sampler = emcee.EnsembleSampler(*start.shape, log_prob_below_inf, vectorize=True)
    sampler.random_state = np.random.RandomState(seed(rng)).get_state()
    for state in sampler.sample(emcee.State(start, log_prob=log_prob), iterations=sys.maxsize, store=False):
        if np.concatenate(bad).any():
            raise chains.NotFinite("log_prob", int(np.concatenate(bad).sum()))
        bad.clear()
        yield State(state.coords.copy(), state.log_prob.copy())


def seed(rng: Rng) -> int:
    """A seed for emcee's generator."""
    return int(rng.integers(0, 2**31 - 1, size=1)[0])


def import_emcee():
    """emcee, or an ImportError that says how to get it."""
    try:
        import emcee
    except ImportError:
        raise ImportError("emcee_sampler needs emcee, which is not installed: "
                          "pip install 'diptych[samplers]'") from None
    return emcee
