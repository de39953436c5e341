"""Hamiltonian Monte Carlo: all chains side by side, proposals that travel far along the gradient and are still accepted.

The mathematics is in `reference.inference.hmc`. Same draws; positions and momenta are advanced in place, in work arrays of all chains,
and a step is one call of the target. Nothing within a trajectory depends on a number on the host: a chain that has diverged is put back
to its start step by step, and will be rejected. On a device one count is fetched for each trajectory (whether the target was finite), and
in the warm-up the mean acceptance, which the step size follows.
"""
import itertools
import math
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.device import array_module, like
from accel.inference import chains
from accel.inference.chains import NotFinite, State

__all__ = ["sample"]

MAX_STEPS, MAX_ERROR, GOLDEN = 256, 1000.0, (math.sqrt(5) - 1) / 2


def sample(rng, target, start, *, n_samples, n_warmup=200, target_acceptance=0.8, trajectory=math.pi, progress=False):
    """Run the chains, where the target's values live and in their dtype."""
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
        energy = (self.p * self.p) @ variance
        energy *= 0.5
        energy -= self.log_prob
        return energy


def walk(rng, target, start, n_warmup, target_acceptance, trajectory):
    """The states of the chains, trajectory by trajectory; u and log_prob are updated in place."""
    log_prob, grad = target.log_prob_and_grad(start)
    chains.check_supported(log_prob)
    xp, u = array_module(log_prob), like(log_prob, start).copy()
    check_gradient(rng, target, u, log_prob, grad)
    variance, here, copyto = xp.ones(u.shape[1], dtype=u.dtype), (xp.empty_like(u), xp.empty_like(u)), xp.copyto
    step, window = Tuning(find_step(rng, target, u, log_prob, grad, variance, here)), []
    for t in itertools.count(1):
        origin = Point(u, momentum(rng, variance, u), log_prob, grad)
        n_steps = min(max(1, math.ceil(trajectory * (t * GOLDEN % 1) / step.epsilon)), MAX_STEPS)
        end, acceptance, divergent = travel(target, origin, here, step.epsilon, variance, n_steps)
        accepted = like(u, rng.random(len(u))) < acceptance
        copyto(log_prob, end.log_prob, where=accepted)
        copyto(u, end.u, where=accepted[:, None])
        copyto(grad, end.grad, where=accepted[:, None])
        if t <= n_warmup:
            step = step.tuned(target_acceptance - float(acceptance.mean()))
            window.append(u.copy())
            if t in (n_warmup // 4, n_warmup // 2, 3 * n_warmup // 4):
                variance, window = spread(xp.concatenate(window)), []
                step = Tuning(find_step(rng, target, u, log_prob, grad, variance, here))
            if t == n_warmup:
                step = step.settled()
        yield State(u, log_prob, acceptance, divergent)


def momentum(rng, variance, u):
    """p of (1), (C, d′)."""
    p = like(u, rng.standard_normal(u.shape))
    p /= array_module(u).sqrt(variance)
    return p


def travel(target, start, here, epsilon, variance, n_steps):
    """The end of the trajectories, their α (C,), and whether they diverged (C,); `here` is where position and momentum are advanced."""
    xp, before, (u, p), grad, drift = array_module(start.u), start.energy(variance), here, start.grad, epsilon * variance
    u[...], p[...] = start.u, start.p
    alive, broken = xp.ones(len(u), dtype=bool), xp.zeros(len(u), dtype=bool)
    for _ in range(n_steps):
        p += (0.5 * epsilon) * grad
        u += drift * p
        log_prob, grad = target.log_prob_and_grad(u)
        p += (0.5 * epsilon) * grad
        change = Point(u, p, log_prob, grad).energy(variance)
        change -= before
        fine = xp.logical_or(log_prob == -np.inf, xp.logical_and(log_prob < np.inf, xp.isfinite(grad).all(axis=1)))
        broken = xp.logical_or(broken, xp.logical_and(alive, xp.logical_not(fine)))
        alive = xp.logical_and(xp.logical_and(alive, fine), change < MAX_ERROR)
        diverged = xp.logical_not(alive)[:, None]
        for array, value in ((u, start.u), (p, start.p), (grad, start.grad)):
            xp.copyto(array, value, where=diverged)
    n_broken = int(broken.sum())
    if n_broken:
        raise NotFinite("log_prob or its gradient", n_broken)
    acceptance = xp.exp(-xp.maximum(change, 0))
    return Point(u, p, log_prob, grad), xp.where(alive, acceptance, 0.0), xp.logical_not(alive)


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
        h = (1 - 1 / (t + 10)) * self.h + miss / (t + 10)
        log_epsilon = math.log(10 * self.first) - 20 * math.sqrt(t) * h
        return Tuning(self.first, t, h, log_epsilon, t**-0.75 * log_epsilon + (1 - t**-0.75) * self.log_mean)

    def settled(self):
        """ε̄, from here on."""
        return Tuning(math.exp(self.log_mean) if self.t else self.first)


def spread(u):
    """v of (8) from draws (N, d′), drawn a little towards a small number: with few draws a variance can come out as zero."""
    variance = u.var(axis=0)
    variance *= len(u)
    variance += 5e-3
    variance /= len(u) + 5
    return variance


def find_step(rng, target, u, log_prob, grad, variance, here):
    """An ε at which the mean acceptance of one step crosses ½, by doubling or halving from 1."""
    start, epsilon, up = Point(u, momentum(rng, variance, u), log_prob, grad), 1.0, None
    for _ in range(60):
        crosses = float(travel(target, start, here, epsilon, variance, 1)[1].mean()) > 0.5
        up = crosses if up is None else up
        if crosses != up:
            break
        epsilon *= 2.0 if up else 0.5
    return epsilon


def check_gradient(rng, target, u, log_prob, grad):
    """Raise ValueError if the gradients at the start, along a random direction each, are not what central differences say."""
    xp, direction, h = array_module(u), like(u, rng.standard_normal(u.shape)), 1e-3 if u.dtype == np.float64 else 1e-2
    direction /= xp.sqrt(xp.einsum("ij,ij->i", direction, direction))[:, None]
    ours = xp.einsum("ij,ij->i", grad, direction)
    direction *= h
    expected = target.log_prob(u + direction)
    expected -= target.log_prob(u - direction)
    expected /= 2 * h
    known = xp.isfinite(expected)
    allowed = 0.1 * xp.maximum(xp.abs(expected), xp.abs(ours))
    allowed += (8 * float(np.finfo(u.dtype).eps) / h) * xp.abs(log_prob)
    allowed += 0.05
    off = xp.logical_and(known, xp.abs(ours - expected) > allowed)
    if bool(2 * off.sum() > known.sum()):
        row = int(xp.argmax(off))
        raise ValueError(f"target: expected the gradient of its log_prob, got one whose slope at start {row} is {float(ours[row]):.4g} "
                         f"in a direction where central differences find {float(expected[row]):.4g}")
