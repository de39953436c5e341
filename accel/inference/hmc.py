"""Hamiltonian Monte Carlo: proposals that travel far along the gradient and are still accepted.

The mathematics is in `reference.inference.hmc`. Same draws; the state of the chains is updated in place,
where the target's values live and in their dtype. Nothing within a trajectory depends on a number on the
host: a chain that has diverged is put back to its start in every further step, and is rejected. On a device
one count is fetched for each trajectory (whether the target was finite), and in the warm-up the mean
acceptance, which the step size follows.

Example

    >>> import numpy as np
    >>> from accel import priors
    >>> from accel.inference import hmc, target
    >>> flat = lambda u: (0 * u[:, 0], 0 * u)
    >>> standard_normal = target.Target(priors.Normal(0.0, 1.0), lambda u: 0 * u[:, 0], flat)
    >>> rng, start = np.random.default_rng(0), np.zeros((50, 1))
    >>> chains = hmc.sample(rng, standard_normal, start, n_samples=100, n_warmup=50)
    >>> np.allclose((chains.u.mean(), chains.u.std()), (0.0, 1.0), atol=0.1)
    True
"""
import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array, Rng, Target
from accel.device import array_module, like
from accel.inference import chains, hmc_tuning, target_checks
from accel.inference.chains import NotFinite, State

__all__ = ["sample"]

MAX_STEPS, MAX_ERROR, GOLDEN = 256, 1000.0, (math.sqrt(5) - 1) / 2


def sample(rng: Rng, target: Target, start: Array, *, n_samples: int, n_warmup: int = 200,
           target_acceptance: float = 0.8, trajectory: float = math.pi,
           progress: bool = False) -> chains.Chains:
    """Run the chains.

    Parameters
    ----------
    rng : Generator
    target : Target
        Has `log_prob(u)` → (N,) and `log_prob_and_grad(u)` for u (N, d′), as `target.Target` with a gradient.
    start : (C, d′) float
        Where the chains start, unconstrained, inside the target's support.
    n_samples, n_warmup : int
        Iterations to keep, and to tune ε and v in before; an iteration is a trajectory.
    target_acceptance : float
        The mean of α that ε is tuned to, in (0, 1).
    trajectory : float
        λ, in units of the posterior's standard deviations.
    progress : bool
        Show a progress bar (tqdm).

    Returns
    -------
    Chains

    Raises
    ------
    ValueError
        If start is no finite (C, d′) array or lies outside the support, a setting is out of range, or the
        gradient is missing or is not that of the log-density.
    NonFiniteTargetError
        If the log-density or its gradient is NaN or +inf at some point.
    """
    start, trajectory = target_checks.check_start(start), checks.check_positive("trajectory", trajectory)
    if not checks.check_positive("target_acceptance", target_acceptance) < 1:
        raise ValueError(f"target_acceptance: expected a number in (0, 1), got {target_acceptance!r}")
    return chains.collect("hmc", states(rng, target, start, n_warmup, target_acceptance, trajectory),
                          n_samples=n_samples, n_warmup=n_warmup, progress=progress)


class Point(NamedTuple):
    """Position u and momentum p, (C, d′), with the log-density (C,) and its gradient (C, d′) at u."""
    u: Array
    p: Array | None
    log_prob: Array
    grad: Array


def hamiltonian(at: Point, variance: Array) -> Array:
    """H, (C,)."""
    energy = (at.p * at.p) @ variance
    energy *= 0.5
    energy -= at.log_prob                                                                              # (1)
    return energy


def momentum(rng: Rng, variance: Array, u: Array) -> Array:
    """p, (C, d′)."""
    p = like(u, rng.standard_normal(u.shape))
    p /= array_module(u).sqrt(variance)                                                                # (1)
    return p


def states(rng: Rng, target: Target, start: Array, n_warmup: int, target_acceptance: float,
           trajectory: float) -> Iterator[State]:
    """The states of the chains, trajectory by trajectory; u and log_prob are updated in place."""
    log_prob, grad = (array.copy() for array in target.log_prob_and_grad(start))
    target_checks.check_supported(log_prob)
    xp, u = array_module(log_prob), like(log_prob, start).copy()
    target_checks.check_gradient(rng, target, u, log_prob, grad)
    here, variance, window = Point(u, None, log_prob, grad), xp.ones(u.shape[1], dtype=u.dtype), []
    tuning = hmc_tuning.StepSize(first_step_size(rng, target, here, variance))
    for t in itertools.count(1):
        n_steps = min(max(1, math.ceil(trajectory * (t * GOLDEN % 1) / tuning.epsilon)), MAX_STEPS)    # (3)
        acceptance, divergent = step(rng, target, here, tuning.epsilon, variance, n_steps)
        if t <= n_warmup:
            tuning = tuning.tuned(target_acceptance - float(acceptance.mean()))
            window.append(u.copy())
            if t in hmc_tuning.ends_of_windows(n_warmup):
                variance, window = hmc_tuning.pooled_variance(xp.concatenate(window)), []
                tuning = hmc_tuning.StepSize(first_step_size(rng, target, here, variance))
            if t == n_warmup:
                tuning = tuning.settled()
        yield State(u, log_prob, acceptance, divergent)


def step(rng: Rng, target: Target, at: Point, epsilon: float, variance: Array,
         n_steps: int) -> tuple[Array, Array]:
    """One iteration, which moves `at` in place: α (C,), and whether the trajectory diverged (C,)."""
    start = at._replace(p=momentum(rng, variance, at.u))
    end, acceptance, divergent = integrate(target, start, epsilon, variance, n_steps)
    accepted, copyto = like(at.u, rng.random(len(at.u))) < acceptance, array_module(at.u).copyto       # (4)
    copyto(at.log_prob, end.log_prob, where=accepted)
    copyto(at.u, end.u, where=accepted[:, None])
    copyto(at.grad, end.grad, where=accepted[:, None])
    return acceptance, divergent


def integrate(target: Target, start: Point, epsilon: float, variance: Array,
              n_steps: int) -> tuple[Point, Array, Array]:
    """The ends of the trajectories, their α (C,), and whether they diverged (C,)."""
    xp, before, drift = array_module(start.u), hamiltonian(start, variance), epsilon * variance
    u, p, log_prob, grad = start
    alive, broken = xp.ones(len(u), dtype=bool), xp.zeros(len(u), dtype=bool)
    for _ in range(n_steps):
        p = advanced(p, (0.5 * epsilon) * grad)
        u = advanced(u, drift * p)
        log_prob, grad = target.log_prob_and_grad(u)
        p += (0.5 * epsilon) * grad                                                                    # (2)
        change = hamiltonian(Point(u, p, log_prob, grad), variance)
        change -= before
        below, finite = log_prob < np.inf, xp.isfinite(grad).all(axis=1)
        fine = xp.logical_or(log_prob == -np.inf, xp.logical_and(below, finite))
        broken = xp.logical_or(broken, xp.logical_and(alive, xp.logical_not(fine)))
        alive = xp.logical_and(xp.logical_and(alive, fine), change < MAX_ERROR)                        # (5)
        if xp is not np or not alive.all():                     # asking a device would be a synchronisation
            going = alive[:, None]
            u, p = xp.where(going, u, start.u), xp.where(going, p, start.p)
            grad = xp.where(going, grad, start.grad)
    n_broken = int(broken.sum())
    if n_broken:
        raise NotFinite("log_prob or its gradient", n_broken)
    acceptance = xp.exp(-xp.maximum(change, 0))                                                        # (4)
    return Point(u, p, log_prob, grad), xp.where(alive, acceptance, 0.0), xp.logical_not(alive)


def advanced(at: Array, step: Array) -> Array:
    """at + step, in the memory of step; `at` may belong to the target, which has seen it."""
    step += at
    return step


def first_step_size(rng: Rng, target: Target, at: Point, variance: Array) -> float:
    """A step size at which about half of the chains accept a single step."""
    start = at._replace(p=momentum(rng, variance, at.u))

    def acceptance(epsilon):
        return float(integrate(target, start, epsilon, variance, 1)[1].mean())
    return hmc_tuning.first_step_size(acceptance)
