"""Random-walk Metropolis: propose a step, accept it with a probability set by the ratio of two densities.

The simplest Markov chain sampler, and the page to read first. For each chain at u, with π the target's
density:

    (1)  u′ = u + s z,   z ~ N(0, I)                       the proposal
    (2)  α = min(1, π(u′)/π(u))                            its acceptance probability
    (3)  u ← u′ if V < α, else u stays,   V ~ U(0, 1)
    (4)  log s ← log s + (mean α − α*)/√t                  at iteration t of the warm-up; then s is kept

Why π is invariant: with q the density of (1), which is symmetric, a move from u to u′ happens at the rate

    π(u) q(u′|u) α = min(π(u), π(u′)) q(u′|u)

which does not change if u and u′ are exchanged (detailed balance). For a proposal that is not symmetric,
Hastings has α = min(1, π(u′) q(u|u′) / (π(u) q(u′|u))).

One scale s serves all parameters and all chains, so that a target that is much narrower in one direction than
in another is explored slowly. `slice_sampler` and `hmc` adapt to each parameter; this page is what they are
compared with.

Shapes        C chains, d′ parameters; u (C, d′).
Conventions   nats; the mean of (4) is over the chains.
Source        "Equation of state calculations by fast computing machines", Metropolis, Rosenbluth, Rosenbluth,
              Teller and Teller, 1953; (2) "Monte Carlo sampling methods using Markov chains and their
              applications", Hastings, 1970; (4) "A tutorial on adaptive MCMC", Andrieu and Thoms, 2008,
              algorithm 4, with α* of "Weak convergence and optimal scaling of random walk Metropolis
              algorithms", Roberts, Gelman and Gilks, 1997.
Departures    Metropolis et al. move one particle at a time by a uniform step; (1) moves all parameters by a
              normal one.

Example

    >>> import numpy as np
    >>> from reference import priors
    >>> from reference.inference import metropolis, target
    >>> standard_normal = target.Target(priors.Normal(0.0, 1.0), lambda u: 0 * u[:, 0])
    >>> rng, start = np.random.default_rng(0), np.zeros((100, 1))
    >>> chains = metropolis.sample(rng, standard_normal, start, n_samples=300)
    >>> np.allclose((chains.u.mean(), chains.u.std()), (0.0, 1.0), atol=0.1)
    True
"""
import itertools
import math
from collections.abc import Iterator

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array, Rng, Target
from reference.inference import chains, target_checks
from reference.inference.chains import State

__all__ = ["sample"]


def sample(rng: Rng, target: Target, start: Array, *, n_samples: int, n_warmup: int = 500, scale: float = 1.0,
           target_acceptance: float = 0.234, progress: bool = False) -> chains.Chains:
    """Run the chains.

    Parameters
    ----------
    rng : Generator
    target : Target
        Has `log_prob(u)` → (N,) for u (N, d′), as `target.Target`.
    start : (C, d′) float
        Where the chains start, unconstrained, inside the target's support.
    n_samples, n_warmup : int
        Iterations to keep, and to drop before; the scale is tuned in those that are dropped.
    scale : float
        s at the start.
    target_acceptance : float
        α*, in (0, 1).
    progress : bool
        Show a progress bar (tqdm).

    Returns
    -------
    Chains

    Raises
    ------
    ValueError
        If start is no finite (C, d′) array or lies outside the support, or a setting is out of range.
    NonFiniteTargetError
        If the log-density is NaN or +inf at some point.
    """
    start, scale = target_checks.check_start(start), checks.check_positive("scale", scale)
    if not checks.check_positive("target_acceptance", target_acceptance) < 1:
        raise ValueError(f"target_acceptance: expected a number in (0, 1), got {target_acceptance!r}")
    return chains.collect("metropolis", states(rng, target, start, n_warmup, scale, target_acceptance),
                          n_samples=n_samples, n_warmup=n_warmup, progress=progress)


def states(rng: Rng, target: Target, u: Array, n_warmup: int, scale: float,
           target_acceptance: float) -> Iterator[State]:
    """The states of the chains, iteration by iteration."""
    log_prob = target.log_prob(u)
    target_checks.check_supported(log_prob)
    for t in itertools.count(1):
        u, log_prob, acceptance = step(rng, target, u, log_prob, scale)
        if t <= n_warmup:
            scale *= math.exp((float(np.mean(acceptance)) - target_acceptance) / math.sqrt(t))         # (4)
        yield State(u, log_prob, acceptance)


def step(rng: Rng, target: Target, u: Array, log_prob: Array, scale: float) -> tuple[Array, Array, Array]:
    """One iteration: u (C, d′) and its log-density (C,) after it, and α (C,)."""
    proposal = u + scale * rng.standard_normal(u.shape)                                                # (1)
    reached = target.log_prob(proposal)
    target_checks.check_finite_log_prob(reached)
    acceptance = np.exp(np.minimum(reached - log_prob, 0))                                             # (2)
    accepted = rng.random(len(u)) < acceptance                                                         # (3)
    return np.where(accepted[:, None], proposal, u), np.where(accepted, reached, log_prob), acceptance
