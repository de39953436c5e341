"""Metropolis-adjusted Langevin (MALA): Langevin steps as proposals, each accepted or rejected.

The mathematics is in `reference.generative.mala`. Same values; no step waits for a device
(`langevin_chains`). A uniform number that float32 rounds up to one is replaced by the largest number below
one.

Example
-------
>>> import numpy as np
>>> from accel.generative import langevin
>>> rng = np.random.default_rng(0)
>>> chains = langevin.metropolis(rng, lambda x: -0.5 * x[:, 0]**2, lambda x, sigma: -x, np.zeros((10_000, 1)),
...                              step_size=1.5, n_steps=50)
>>> print(round(float(chains.x.var()), 1))                               # of a standard normal
1.0
"""
import math
from collections.abc import Callable

import numpy as np

from accel.device import array_module
from accel.generative.langevin_chains import Chains, NonFiniteScoreError, Samples, check_start, pause
from accel.runtime import checks
from accel.runtime.progress import progress_bar
from accel.runtime.protocols import Array, Rng

__all__ = []
SHARED = ["metropolis"]
__all__ += SHARED


def metropolis(rng: Rng, log_prob: Callable, score: Callable, start: Array, *, step_size: float,
               n_steps: int, every: int | None = None, progress: bool = False) -> Samples:
    """Metropolis-adjusted Langevin: exact at any step size, for a density that is known up to a factor.

    Parameters
    ----------
    rng, start, step_size, n_steps, every, progress
        As in `langevin.unadjusted`.
    log_prob : callable
        x → (N,), in nats, up to a constant; −inf rejects a proposal, whatever the score is there.
    score : callable
        (x, sigma) → (N, D), called with sigma = 0: the gradient of log_prob.

    Raises
    ------
    ValueError, NonFiniteScoreError
        As in `langevin.unadjusted`; NonFiniteScoreError also if log_prob is NaN or +inf, or not finite at the
        start (step 0).
    """
    step_size = checks.check_positive("step_size", step_size)
    start = check_start(start, n_steps, every)
    xp, n, dtype = array_module(start), len(start), start.dtype
    chains, bar = Chains(start, n_steps, every), progress_bar(progress, n_steps, unit="step")
    log_p, s = (value.copy() for value in evaluate(log_prob, score, start))
    accepted, refused = xp.zeros(n, dtype=dtype), xp.zeros(n, dtype=bool)
    good = finite_rows(log_p, s)
    chains.finite &= good.all()
    check_evaluated(chains, good, accepted, at_start=True)
    back, below_one, at_once = xp.empty_like(start), 1 - float(np.finfo(dtype).epsneg), pause(xp)
    try:
        for step in range(1, n_steps + 1):
            z = chains.noise(rng)
            xp.multiply(s, 0.5 * step_size, out=chains.moved)
            chains.moved += chains.x
            chains.moved += math.sqrt(step_size) * z                  # (1)
            log_p_new, s_new = evaluate(log_prob, score, chains.moved)
            xp.equal(log_p_new, -math.inf, out=refused)
            xp.subtract(chains.moved, chains.x, out=back)
            back += 0.5 * step_size * xp.where(refused[:, None], 0, s_new)
            log_ratio = log_p_new - log_p
            log_ratio += 0.5 * xp.square(z, out=z).sum(axis=1)        # (2)
            log_ratio -= xp.square(back, out=back).sum(axis=1) / (2 * step_size)
            u = xp.minimum(xp.asarray(rng.random(n), dtype=dtype), below_one)
            xp.copyto(good, refused | finite_rows(log_p_new, s_new), where=chains.finite)
            take = xp.log1p(-u) < log_ratio                           # (3)
            chains.take(good.all(), where=take[:, None])
            take &= chains.finite
            xp.copyto(s, s_new, where=take[:, None])
            xp.copyto(log_p, log_p_new, where=take)
            accepted += take
            if step % at_once == 0 or step == n_steps:
                check_evaluated(chains, good, accepted)
            bar.update(1)
    finally:
        bar.close()
    return chains.samples(n_steps, accepted)


def evaluate(log_prob, score, x):
    """log p(x) and s(x)."""
    return (checks.as_array("log_prob(x)", log_prob(x), (len(x),)),
            checks.as_array("score(x, sigma)", score(x, 0.0), x.shape))


def finite_rows(log_p, s):
    xp = array_module(s)
    return xp.isfinite(log_p) & xp.isfinite(s).all(axis=1)


def check_evaluated(chains, good, accepted, *, at_start=False):
    """Raise NonFiniteScoreError, with the chains before the step, unless all is finite so far."""
    if not bool(chains.finite):
        n_good, n_bad = int(chains.n_good), int((~good).sum())
        step = 0 if at_start else n_good + 1
        raise NonFiniteScoreError(1, step, 0.0, n_bad, chains.samples(n_good, accepted))
