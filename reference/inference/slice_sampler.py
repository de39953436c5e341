"""Slice sampling: one parameter after the other, all chains side by side, without step size and gradient.

For each chain at u and each parameter i in turn, p the target's density along uᵢ, and V, V′ … ~ U(0, 1):

    (1)  y = V p(u)                                        the level: (u, y) is uniform below the curve
    (2)  L = uᵢ − V′ w,  R = L + w                          an interval of width w around uᵢ
    (3)  L ← L − w while p(L) > y, at most J = ⌊V″ m⌋ times;  R ← R + w likewise, at most m − 1 − J times
    (4)  u′ = L + V‴ (R − L);  accepted if p(u′) > y;  else L ← u′ if u′ < uᵢ, R ← u′ if not, and again
    (5)  w ← the mean of R − L at acceptance, over chains and the warm-up so far;  then w is kept

Each update leaves the target invariant for any w, which affects only the cost. The ends L and R of all chains
are evaluated together as one batch, and so are their candidates u′, until the last chain has accepted.

Shapes        C chains, d′ parameters; u (C, d′).
Conventions   nats; m = MAX_STEPS. A chain whose interval has shrunk MAX_SHRINKS times stays where it is.
Source        "Slice sampling", Neal, 2003, figures 3 and 5; (5) as in "Sequential neural likelihood",
              Papamakarios, Sterratt and Murray, 2019.

Example

    >>> import numpy as np
    >>> from reference import priors
    >>> from reference.inference import slice_sampler, target
    >>> standard_normal = target.Target(priors.Normal(0.0, 1.0), lambda u: 0 * u[:, 0])
    >>> rng, start = np.random.default_rng(0), np.zeros((50, 1))
    >>> chains = slice_sampler.sample(rng, standard_normal, start, n_samples=100, n_warmup=50)
    >>> np.allclose((chains.u.mean(), chains.u.std()), (0.0, 1.0), atol=0.1)
    True
"""
import itertools
from collections.abc import Iterator

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array, Rng, Target
from reference.inference import chains, target_checks
from reference.inference.chains import State

__all__ = ["sample"]

MAX_STEPS, MAX_SHRINKS = 10, 200


def sample(rng: Rng, target: Target, start: Array, *, n_samples: int, n_warmup: int = 200, width: float = 1.0,
           progress: bool = False) -> chains.Chains:
    """Run the chains.

    Parameters
    ----------
    rng : Generator
    target : Target
        Has `log_prob(u)` → (N,) for u (N, d′), as `target.Target`.
    start : (C, d′) float
        Where the chains start, unconstrained, inside the target's support.
    n_samples, n_warmup : int
        Iterations to keep, and to drop before; an iteration updates every parameter once. The widths are
        tuned in those that are dropped.
    width : float
        w at the start, for every parameter.
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
    start, width = target_checks.check_start(start), checks.check_positive("width", width)
    return chains.collect("slice_sampler", states(rng, target, start, n_warmup, width), n_samples=n_samples,
                          n_warmup=n_warmup, progress=progress)


def states(rng: Rng, target: Target, u: Array, n_warmup: int, width: float) -> Iterator[State]:
    """The states of the chains, sweep by sweep."""
    widths, log_prob = np.full(u.shape[1], width), target.log_prob(u)
    target_checks.check_supported(log_prob)
    for sweep in itertools.count(1):
        draws = rng.random((u.shape[1], 3, len(u)))
        for i in range(u.shape[1]):
            level = log_prob + np.log1p(-draws[i, 0])                                                # (1)
            low, high = step_out(target, u, i, level, widths[i], draws[i, 1], draws[i, 2])
            u, log_prob, length = shrink(rng, target, u, i, level, log_prob, low, high)
            if sweep <= n_warmup:
                widths[i] += (np.mean(length) - widths[i]) / sweep                                   # (5)
        yield State(u, log_prob)


def step_out(target: Target, u: Array, i: int, level: Array, width: float, place: Array,
             share: Array) -> tuple[Array, Array]:
    """L and R of (3), (C,) each."""
    low = u[:, i] - place * width                                                                    # (2)
    high = low + width
    left = np.floor(share * MAX_STEPS)
    right = MAX_STEPS - 1 - left
    while True:
        log_probs = target.log_prob(np.concatenate((moved(u, i, low), moved(u, i, high)))).reshape(2, -1)
        target_checks.check_finite_log_prob(log_probs)
        grow_left, grow_right = (log_probs > level) & (np.stack((left, right)) > 0)                  # (3)
        if not (grow_left.any() or grow_right.any()):
            return low, high
        low, left = low - width * grow_left, left - grow_left
        high, right = high + width * grow_right, right - grow_right


def shrink(rng: Rng, target: Target, u: Array, i: int, level: Array, log_prob: Array, low: Array,
           high: Array) -> tuple[Array, Array, Array]:
    """u and its log-density after (4), and the length R − L at acceptance, (C,)."""
    accepted, place, reached = np.zeros(len(u), bool), u[:, i].copy(), log_prob
    for _ in range(MAX_SHRINKS):
        candidate = low + rng.random(len(u)) * (high - low)                                          # (4)
        place = np.where(accepted, place, candidate)
        log_probs = target.log_prob(moved(u, i, place))
        target_checks.check_finite_log_prob(log_probs)
        reached, accepted = np.where(accepted, reached, log_probs), accepted | (log_probs > level)
        if accepted.all():
            break
        below = place < u[:, i]
        low, high = np.where(~accepted & below, place, low), np.where(~accepted & ~below, place, high)
    place, reached = np.where(accepted, place, u[:, i]), np.where(accepted, reached, log_prob)
    return moved(u, i, place), reached, high - low


def moved(u: Array, i: int, place: Array) -> Array:
    """u with parameter i at another place, a copy."""
    u = u.copy()
    u[:, i] = place
    return u
