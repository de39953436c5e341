"""Hamiltonian Monte Carlo: proposals that travel far along the gradient and are still accepted.

For each chain at u, with π the target's density and a momentum p, drawn anew for every trajectory:

    (1)  H(u, p) = −log π(u) + ½ ∑ᵢ vᵢ pᵢ²,   pᵢ ~ N(0, 1/vᵢ)          v: the variances of u
    (2)  p ← p + ½ ε ∇log π(u);  uᵢ ← uᵢ + ε vᵢ pᵢ;  p ← p + ½ ε ∇log π(u)      one leapfrog step
    (3)  n = ⌈λ wₜ/ε⌉ steps,   wₜ = t (√5 − 1)/2 mod 1                 a trajectory of length in (0, λ]
    (4)  α = min(1, exp(H before − H after));  accepted if V < α,  V ~ U(0, 1)
    (5)  H more than MAX_ERROR above its start, or −log π = inf: the trajectory diverged and is rejected

Why π is invariant: the steps (2) keep volume and are reversible, whatever the gradient, so that (4) is
Hastings' rule for a proposal that is symmetric in (u, p). A wrong gradient would only make it slow; it is
refused where the start shows it.

For a normal target with variances v and λ = π, draws are uncorrelated on average over w. The step size ε, one
for all chains, and v are tuned in the warm-up (`hmc_tuning`).

`literal_step` is one iteration, (1), (2) and (4), as it stands in the source. `step`, which the sampler uses,
gives the same numbers and adds (5); it takes the log-density and gradient at u over from the iteration
before.

Shapes        C chains, d′ parameters; u, p and the gradient (C, d′), log-density and H (C,).
Conventions   nats; n ≤ MAX_STEPS. A log-density or gradient that is NaN or +inf stops the run.
Source        "MCMC using Hamiltonian dynamics", Neal, 2011, section 5.3.
Departures    many chains share ε and v, so that a short warm-up suffices; the lengths (3) follow a sequence
              that fills (0, 1) evenly and does not depend on the chains, in place of random draws.

Example

    >>> import numpy as np
    >>> from reference import priors
    >>> from reference.inference import hmc, target
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

from reference.runtime import checks
from reference.runtime.protocols import Array, Rng, Target
from reference.inference import chains, hmc_tuning, target_checks
from reference.inference.chains import NotFinite, State

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
    return -at.log_prob + 0.5 * np.sum(variance * at.p**2, axis=1)                                     # (1)


def leapfrog(target: Target, at: Point, epsilon: float, variance: Array) -> Point:
    """The point after one leapfrog step."""
    p = at.p + 0.5 * epsilon * at.grad
    u = at.u + epsilon * variance * p
    log_prob, grad = target.log_prob_and_grad(u)
    return Point(u, p + 0.5 * epsilon * grad, log_prob, grad)                                          # (2)


def literal_step(rng: Rng, target: Target, u: Array, epsilon: float, variance: Array, n_steps: int) -> Array:
    """u after one iteration, (C, d′)."""
    start = end = Point(u, momentum(rng, variance, u), *target.log_prob_and_grad(u))
    for _ in range(n_steps):
        end = leapfrog(target, end, epsilon, variance)
    acceptance = np.minimum(1, np.exp(hamiltonian(start, variance) - hamiltonian(end, variance)))      # (4)
    return np.where((rng.random(len(u)) < acceptance)[:, None], end.u, u)


def momentum(rng: Rng, variance: Array, u: Array) -> Array:
    """p, (C, d′)."""
    return rng.standard_normal(u.shape) / np.sqrt(variance)                                            # (1)


def states(rng: Rng, target: Target, u: Array, n_warmup: int, target_acceptance: float,
           trajectory: float) -> Iterator[State]:
    """The states of the chains, trajectory by trajectory."""
    here = Point(u, None, *target.log_prob_and_grad(u))
    target_checks.check_supported(here.log_prob)
    target_checks.check_gradient(rng, target, u, here.log_prob, here.grad)
    variance, window = np.ones(u.shape[1]), []
    tuning = hmc_tuning.StepSize(first_step_size(rng, target, here, variance))
    for t in itertools.count(1):
        n_steps = min(max(1, math.ceil(trajectory * (t * GOLDEN % 1) / tuning.epsilon)), MAX_STEPS)    # (3)
        here, acceptance, divergent = step(rng, target, here, tuning.epsilon, variance, n_steps)
        if t <= n_warmup:
            tuning = tuning.tuned(target_acceptance - float(np.mean(acceptance)))
            window.append(here.u)
            if t in hmc_tuning.ends_of_windows(n_warmup):
                variance, window = hmc_tuning.pooled_variance(np.concatenate(window)), []
                tuning = hmc_tuning.StepSize(first_step_size(rng, target, here, variance))
            if t == n_warmup:
                tuning = tuning.settled()
        yield State(here.u, here.log_prob, acceptance, divergent)


def step(rng: Rng, target: Target, at: Point, epsilon: float, variance: Array,
         n_steps: int) -> tuple[Point, Array, Array]:
    """One iteration: the point after it, α (C,), and whether the trajectory diverged (C,)."""
    start = at._replace(p=momentum(rng, variance, at.u))
    end, acceptance, divergent = integrate(target, start, epsilon, variance, n_steps)
    return choose(rng.random(len(at.u)) < acceptance, end, start), acceptance, divergent                # (4)


def integrate(target: Target, start: Point, epsilon: float, variance: Array,
              n_steps: int) -> tuple[Point, Array, Array]:
    """The ends of the trajectories, their α (C,), and whether they diverged (C,)."""
    here, before = start, hamiltonian(start, variance)
    alive, broken = np.ones(len(before), bool), np.zeros(len(before), bool)
    for _ in range(n_steps):
        there = leapfrog(target, here, epsilon, variance)
        fine = np.isneginf(there.log_prob) | (there.log_prob < np.inf) & np.isfinite(there.grad).all(axis=1)
        change = hamiltonian(there, variance) - before
        broken, alive = broken | alive & ~fine, alive & fine & (change < MAX_ERROR)                    # (5)
        here = choose(alive, there, here)
    if broken.any():
        raise NotFinite("log_prob or its gradient", int(broken.sum()))
    return here, np.where(alive, np.exp(-np.maximum(change, 0)), 0.0), ~alive                          # (4)


def choose(mask: Array, new: Point, old: Point) -> Point:
    """The new point in the chains of the mask (C,), the old one in the others."""
    return Point(*(np.where(mask if a.ndim == 1 else mask[:, None], a, b) for a, b in zip(new, old)))


def first_step_size(rng: Rng, target: Target, at: Point, variance: Array) -> float:
    """A step size at which about half of the chains accept a single step."""
    start = at._replace(p=momentum(rng, variance, at.u))

    def acceptance(epsilon):
        return float(np.mean(integrate(target, start, epsilon, variance, 1)[1]))
    return hmc_tuning.first_step_size(acceptance)
