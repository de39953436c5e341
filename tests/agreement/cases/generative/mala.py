"""Cases for Metropolis-adjusted Langevin: whole runs from the same draws, a density that is cut off, scores
that fail."""
import numpy as np

from tests.agreement.cases.generative.langevin import failing, failure_of, setting
from tests.agreement.registry import case


@case("generative.langevin.metropolis", terms=400, dtypes=("float64",),
      note="a proposal is taken or not by comparing two numbers")
def _(on, paint, n):
    langevin, log_prob, score, start = setting(on, paint, n)

    def half(x):
        """The mixture cut off at x₁ = 4."""
        value = log_prob(x)
        value[x[:, 0] > 4] = -np.inf
        return value
    return (langevin.metropolis(on.rng(1), log_prob, score, start, step_size=0.3, n_steps=20),
            langevin.metropolis(on.rng(1), half, score, start, step_size=0.3, n_steps=20, every=6))


@case("generative.langevin.metropolis#not finite", sizes=(7,), terms=400, dtypes=("float64",),
      note="a proposal is taken or not by comparing two numbers")
def _(on, paint, n):
    langevin, log_prob, score, start = setting(on, paint, n)
    return [failure_of(langevin.metropolis, on.rng(1), log_prob, failing(score, after, 2), start,
                       step_size=0.3, n_steps=120, every=2)
            for after in (1, 2, 4, 108)]
