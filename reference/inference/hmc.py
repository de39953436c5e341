"""Hamiltonian Monte Carlo: all chains side by side, proposals that travel far along the gradient and are still accepted.

With π the target's density, u its parameters and p a momentum for each, drawn anew for every trajectory:

    (1)  H(u, p) = −log π(u) + ½ ∑ᵢ vᵢ pᵢ²,   pᵢ ~ N(0, 1/vᵢ)          v: the variances of u, found in the warm-up
    (2)  p ← p + ½ ε ∇log π(u);  uᵢ ← uᵢ + ε vᵢ pᵢ;  p ← p + ½ ε ∇log π(u)      one leapfrog step
    (3)  Lₜ = ⌈λ wₜ/ε⌉ of them,   wₜ = t (√5 − 1)/2 mod 1               a length in (0, λ]; of a normal with variances v, the
                                                                        draws of λ = π are uncorrelated on average over w
    (4)  α = min(1, exp(H before − H after));  accepted if V < α,  V ~ U(0, 1)
    (5)  H more than MAX_ERROR above its start, or −log π = inf: the trajectory diverged; it stops there and is rejected

The step size ε, one for all chains, is tuned in the warm-up until the mean of α over the chains is δ. With t counted from the last
change of v, from ε₁ where one step is accepted with probability ½ or so:

    (6)  h ← (1 − 1/(t + 10)) h + (δ − mean α)/(t + 10)
    (7)  log ε = log(10 ε₁) − 20 √t h,    log ε̄ ← t^(−¾) log ε + (1 − t^(−¾)) log ε̄
    (8)  vᵢ = var uᵢ over all chains and a quarter of the warm-up, three times; ε̄ of the last quarter is kept

Steps (2) keep volume and can be reversed whatever the gradient, so that (4) is exact even for a wrong one: it would only be slow. It is
refused all the same, where the start shows it (`check_gradient`).

Shapes        C chains, d′ parameters; u, p and the gradient (C, d′).
Conventions   nats; L ≤ MAX_STEPS. A log-density or gradient that is NaN or +inf stops the run.
Source        "MCMC using Hamiltonian dynamics", Neal, 2011, section 5.3; "The No-U-Turn sampler", Hoffman and Gelman, 2014, algorithms 4
              and 5, for the step size.
Departures    many chains share ε and v, so that a short warm-up suffices; w is a sequence that fills (0, 1) evenly, which no chain
              can feel, in place of a draw.
"""
import itertools
import math
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.inference import chains
from reference.inference.chains import NotFinite, State

__all__ = ["sample"]

MAX_STEPS, MAX_ERROR, GOLDEN = 256, 1000.0, (math.sqrt(5) - 1) / 2


def sample(rng, target, start, *, n_samples, n_warmup=200, target_acceptance=0.8, trajectory=math.pi, progress=False):
    """Run the chains.

    Parameters
    ----------
    rng : Generator
    target
        Has `log_prob(u)` and `log_prob_and_grad(u)` for u (N, d′): a `mcmc.Target` with a gradient.
    start : (C, d′) float
        Where the chains start, unconstrained, inside the target's support.
    n_samples, n_warmup : int
        Iterations to keep, and before that to tune ε and v in; one is a trajectory.
    target_acceptance : float
        δ, in (0, 1).
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
        If start is no finite (C, d′) array or lies outside the support, a setting is out of range, or the gradient is missing or is
        not that of the log-density.
    NonFiniteTargetError
        If the log-density or its gradient is NaN or +inf somewhere on the way.
    """
    start, trajectory = chains.check_start(start), checks.check_positive("trajectory", trajectory)
    if not checks.check_positive("target_acceptance", target_acceptance) < 1:
        raise ValueError(f"target_acceptance: expected a number in (0, 1), got {target_acceptance!r}")
    return chains.collect("hmc", walk(rng, target, start, n_warmup, target_acceptance, trajectory), n_samples=n_samples,
                          n_warmup=n_warmup, progress=progress)


class Point(NamedTuple):
    """Position, momentum (C, d′), log-density (C,) and gradient (C, d′)."""
    u: np.ndarray
    p: np.ndarray
    log_prob: np.ndarray
    grad: np.ndarray

    def energy(self, variance):
        """(1), (C,)."""
        return -self.log_prob + 0.5 * np.sum(variance * self.p**2, axis=1)


def walk(rng, target, u, n_warmup, target_acceptance, trajectory):
    """The states of the chains, trajectory by trajectory."""
    log_prob, grad = target.log_prob_and_grad(u)
    chains.check_supported(log_prob)
    check_gradient(rng, target, u, log_prob, grad)
    variance = np.ones(u.shape[1])
    step, window = Tuning(find_step(rng, target, u, log_prob, grad, variance)), []
    for t in itertools.count(1):
        start = Point(u, rng.standard_normal(u.shape) / np.sqrt(variance), log_prob, grad)             # (1)
        n_steps = min(max(1, math.ceil(trajectory * (t * GOLDEN % 1) / step.epsilon)), MAX_STEPS)      # (3)
        end, acceptance, divergent = travel(target, start, step.epsilon, variance, n_steps)
        accepted = rng.random(len(u)) < acceptance                                                     # (4)
        u, log_prob = np.where(accepted[:, None], end.u, u), np.where(accepted, end.log_prob, log_prob)
        grad = np.where(accepted[:, None], end.grad, grad)
        if t <= n_warmup:
            step = step.tuned(target_acceptance - float(np.mean(acceptance)))
            window.append(u)
            if t in (n_warmup // 4, n_warmup // 2, 3 * n_warmup // 4):
                variance, window = spread(np.concatenate(window)), []                                  # (8)
                step = Tuning(find_step(rng, target, u, log_prob, grad, variance))
            if t == n_warmup:
                step = step.settled()
        yield State(u, log_prob, acceptance, divergent)


def travel(target, start, epsilon, variance, n_steps):
    """The end of the trajectories, their α (C,), and whether they diverged (C,)."""
    here, before = start, start.energy(variance)
    alive, broken = np.ones(len(before), bool), np.zeros(len(before), bool)
    for _ in range(n_steps):
        p = here.p + 0.5 * epsilon * here.grad                                                         # (2)
        u = here.u + epsilon * variance * p
        log_prob, grad = target.log_prob_and_grad(u)
        there = Point(u, p + 0.5 * epsilon * grad, log_prob, grad)
        fine = np.isneginf(log_prob) | (log_prob < np.inf) & np.isfinite(grad).all(axis=1)
        change = there.energy(variance) - before
        broken, alive = broken | alive & ~fine, alive & fine & (change < MAX_ERROR)                    # (5)
        here = Point(*(np.where(alive.reshape(-1, *[1] * (new.ndim - 1)), new, old) for new, old in zip(there, here)))
    if broken.any():
        raise NotFinite("log_prob or its gradient", int(broken.sum()))
    return here, np.where(alive, np.exp(-np.maximum(change, 0)), 0.0), ~alive                          # (4)


class Tuning(NamedTuple):
    """The step size on its way, (6) and (7)."""
    first: float
    t: int = 0
    h: float = 0.0
    log_epsilon: float = 0.0
    log_mean: float = 0.0

    @property
    def epsilon(self):
        return math.exp(self.log_epsilon) if self.t else self.first

    def tuned(self, miss):
        """One step of (6) and (7), for δ − mean α."""
        t = self.t + 1
        h = (1 - 1 / (t + 10)) * self.h + miss / (t + 10)                                              # (6)
        log_epsilon = math.log(10 * self.first) - 20 * math.sqrt(t) * h
        return Tuning(self.first, t, h, log_epsilon, t**-0.75 * log_epsilon + (1 - t**-0.75) * self.log_mean)   # (7)

    def settled(self):
        """ε̄, from here on."""
        return Tuning(math.exp(self.log_mean) if self.t else self.first)


def spread(u):
    """v of (8) from draws (N, d′), drawn a little towards a small number: with few draws a variance can come out as zero."""
    return (len(u) * np.var(u, axis=0) + 5e-3) / (len(u) + 5)


def find_step(rng, target, u, log_prob, grad, variance):
    """An ε at which the mean acceptance of one step crosses ½, by doubling or halving from 1."""
    start, epsilon, up = Point(u, rng.standard_normal(u.shape) / np.sqrt(variance), log_prob, grad), 1.0, None
    for _ in range(60):
        crosses = float(np.mean(travel(target, start, epsilon, variance, 1)[1])) > 0.5
        up = crosses if up is None else up
        if crosses != up:
            break
        epsilon *= 2.0 if up else 0.5
    return epsilon


def check_gradient(rng, target, u, log_prob, grad):
    """Raise ValueError if the gradients at the start, along a random direction each, are not what central differences say.

    Rough on purpose, so that rounding and curvature pass: the two may differ by a tenth of their size.
    """
    direction, h = rng.standard_normal(u.shape), 1e-3 if u.dtype == np.float64 else 1e-2
    direction = direction / np.sqrt(np.sum(direction**2, axis=1, keepdims=True))
    after, before = target.log_prob(u + h * direction), target.log_prob(u - h * direction)
    expected, ours = (after - before) / (2 * h), np.sum(grad * direction, axis=1)
    rounding = 8 * np.finfo(u.dtype).eps * np.abs(log_prob) / h
    known = np.isfinite(expected)
    off = known & (np.abs(ours - expected) > 0.1 * np.maximum(np.abs(expected), np.abs(ours)) + rounding + 0.05)
    if 2 * off.sum() > known.sum():
        row = int(np.argmax(off))
        raise ValueError(f"target: expected the gradient of its log_prob, got one whose slope at start {row} is {ours[row]:.4g} "
                         f"in a direction where central differences find {expected[row]:.4g}")
