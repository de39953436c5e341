"""Metropolis-adjusted Langevin (MALA): Langevin steps as proposals, each accepted or rejected.

    (1)  x′ = x + (ε/2) s(x) + √ε z,   z ~ N(0, I)       the proposal, a step of `langevin`; s = ∇ log p
    (2)  q(x′|x) = N(x′; x + (ε/2) s(x), ε I)
    (3)  accept x′ with probability min(1, p(x′) q(x|x′)/(p(x) q(x′|x)))

By (2), log q(x′|x) = −½‖z‖² and log q(x|x′) = −‖x − x′ − (ε/2) s(x′)‖²/2ε, up to the same constant.

Shapes        N chains, D dimensions; x (N, D).
Conventions   p in nats, up to a constant. Each step draws z (N, D), then N uniforms.
Source        "Exponential convergence of Langevin distributions and their discrete approximations", Roberts
              and Tweedie, 1996; lecture S1, slides "Langevin dynamics".

Example
-------
>>> import numpy as np
>>> from reference.generative import langevin
>>> rng = np.random.default_rng(0)
>>> chains = langevin.metropolis(rng, lambda x: -0.5 * x[:, 0]**2, lambda x, sigma: -x, np.zeros((10_000, 1)),
...                              step_size=1.5, n_steps=50)
>>> print(round(float(chains.x.var()), 1))                               # of a standard normal
1.0
"""
import math
from collections.abc import Callable

import numpy as np

from reference.generative.langevin_chains import NonFiniteScoreError, Samples, check_start, stacked
from reference.runtime import checks
from reference.runtime.progress import progress_bar
from reference.runtime.protocols import Array, Rng

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
    x, log_p, s = evaluate(log_prob, score, check_start(start, n_steps, every))
    kept, accepted, bar = [], np.zeros(len(x), x.dtype), progress_bar(progress, n_steps, unit="step")
    check_evaluated(log_p, s, 0, np.zeros(len(x), bool), Samples(x, stacked(kept, x, every), accepted))
    try:
        for step in range(1, n_steps + 1):
            z = rng.standard_normal(x.shape).astype(x.dtype)
            proposed = x + 0.5 * step_size * s + math.sqrt(step_size) * z                             # (1)
            proposed, log_p_new, s_new = evaluate(log_prob, score, proposed)
            refused = log_p_new == -np.inf
            so_far = Samples(x, stacked(kept, x, every), accepted / max(1, step - 1))
            check_evaluated(log_p_new, s_new, step, refused, so_far)
            back = proposed - x + 0.5 * step_size * np.where(refused[:, None], 0.0, s_new).astype(x.dtype)
            log_ratio = log_p_new - log_p + 0.5 * np.sum(z**2, axis=1)                                # (2)
            log_ratio = log_ratio - np.sum(back**2, axis=1) / (2 * step_size)
            take = np.log1p(-rng.random(len(x))) < log_ratio          # (3)
            x, s = np.where(take[:, None], proposed, x), np.where(take[:, None], s_new, s)
            log_p, accepted = np.where(take, log_p_new, log_p), accepted + take.astype(x.dtype)
            if every and step % every == 0:
                kept.append(x)
            bar.update(1)
    finally:
        bar.close()
    return Samples(x, stacked(kept, x, every), accepted / n_steps)


def evaluate(log_prob, score, x):
    """x, log p(x) and s(x)."""
    return (x, checks.as_array("log_prob(x)", log_prob(x), (len(x),)),
            checks.as_array("score(x, sigma)", score(x, 0.0), x.shape))


def check_evaluated(log_p, s, step, refused, samples):
    """Raise NonFiniteScoreError unless log p and s are finite in every chain that is not refused."""
    n_bad = np.count_nonzero(~(refused | (np.isfinite(log_p) & np.isfinite(s).all(axis=1))))
    if n_bad:
        raise NonFiniteScoreError(1, step, 0.0, n_bad, samples)
