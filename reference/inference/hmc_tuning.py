"""Step size and scales for Hamiltonian Monte Carlo: what `hmc` tunes during its warm-up.

The step size ε is tuned until the mean acceptance over the chains is δ. With t counted from the last change
of the variances, and ε₁ a step size at which about half of single steps are accepted:

    (1)  h ← (1 − 1/(t + 10)) h + (δ − mean α)/(t + 10)
    (2)  log ε = log(10 ε₁) − 20 √t h,    log ε̄ ← t^(−¾) log ε + (1 − t^(−¾)) log ε̄
    (3)  vᵢ = (S var uᵢ + 5·10⁻³)/(S + 5)                  S: draws of all chains in a quarter of the warm-up

The variances are set three times, at the ends of the first three quarters; the last quarter tunes ε for the
last of them, and ε̄ is kept afterwards. (3) lies a little towards 10⁻³, since a variance of few draws can
come out as zero.

Shapes        d′ parameters; u (S, d′), v (d′,).
Source        "The No-U-Turn sampler", Hoffman and Gelman, 2014, algorithm 4 for ε₁ and algorithm 5, dual
              averaging, for (1) and (2) with γ = 0.05, t₀ = 10, κ = ¾; (3) the regularisation of Stan's
              warm-up, Stan Reference Manual.
Departures    one ε for all chains, so that α in (1) is a mean over them.

Example

    >>> from reference.inference import hmc_tuning
    >>> tuning = hmc_tuning.StepSize(0.1)
    >>> for acceptance in (0.2, 0.5, 0.7, 0.85):                        # too long a step: it is shortened
    ...     tuning = tuning.tuned(0.8 - acceptance)
    >>> round(tuning.epsilon, 3)
    0.066
"""
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reference.runtime.protocols import Array

__all__ = ["StepSize", "first_step_size", "pooled_variance", "ends_of_windows"]


class StepSize(NamedTuple):
    """A step size while it is tuned.

    Attributes
    ----------
    first : float
        ε₁.
    t : int
    h, log_epsilon, log_mean : float
        h, log ε and log ε̄ of (1) and (2).
    """
    first: float
    t: int = 0
    h: float = 0.0
    log_epsilon: float = 0.0
    log_mean: float = 0.0

    @property
    def epsilon(self) -> float:
        """ε."""
        return math.exp(self.log_epsilon) if self.t else self.first

    def tuned(self, miss: float) -> "StepSize":
        """The step size after one iteration.

        Parameters
        ----------
        miss : float
            δ − mean α.
        """
        t = self.t + 1
        h = (1 - 1 / (t + 10)) * self.h + miss / (t + 10)                                              # (1)
        log_epsilon = math.log(10 * self.first) - 20 * math.sqrt(t) * h
        log_mean = t**-0.75 * log_epsilon + (1 - t**-0.75) * self.log_mean                             # (2)
        return StepSize(self.first, t, h, log_epsilon, log_mean)

    def settled(self) -> "StepSize":
        """The step size ε̄, with which tuning would start anew."""
        return StepSize(math.exp(self.log_mean) if self.t else self.first)


def first_step_size(acceptance: Callable[[float], float]) -> float:
    """ε₁, a step size at which the acceptance crosses ½, by doubling or halving from 1.

    Parameters
    ----------
    acceptance : callable
        ε → mean acceptance probability of one leapfrog step.
    """
    epsilon, up = 1.0, None
    for _ in range(60):
        crosses = acceptance(epsilon) > 0.5
        up = crosses if up is None else up
        if crosses != up:
            break
        epsilon *= 2.0 if up else 0.5
    return epsilon


def pooled_variance(u: Array) -> Array:
    """v of (3), (d′,).

    Parameters
    ----------
    u : (S, d′) float
        Draws of all chains.
    """
    return (len(u) * np.var(u, axis=0) + 5e-3) / (len(u) + 5)                                          # (3)


def ends_of_windows(n_warmup: int) -> tuple[int, int, int]:
    """The iterations after which the variances are set: the first three quarters of the warm-up.

    Parameters
    ----------
    n_warmup : int
    """
    return n_warmup // 4, n_warmup // 2, 3 * n_warmup // 4
