"""The simulations that rejection ABC keeps, chunk by chunk.

    (2)  keep θ where ρ(x, x_obs) < ε
    (4)  ε as the q-quantile of the distances: the nearest round(qN) of N simulations are kept

Shapes        n simulations of a chunk; θ (n, P), x (n, D), ρ (n,).
Conventions   rows are in the order in which they were simulated; of equal distances the earlier is the nearer
              one. The formulas are numbered as in `inference.rejection_abc`.

Example
-------
>>> import numpy as np
>>> from reference.inference.kept import nearest
>>> rho = np.array([0.3, 0.1, 0.3, 0.9])
>>> print(nearest((np.arange(4), rho), 2)[0])
[0 1]
"""
import numpy as np

from reference.runtime import checks

__all__ = []
SHARED = ["Kept", "check_choice", "nearest"]
__all__ += SHARED


class Kept:
    """What was kept so far, as chunks of (θ, x, ρ), of how many simulations, and how many of these failed."""

    def __init__(self, n_simulations, epsilon, quantile):
        self.n_simulations, self.epsilon, self.quantile = n_simulations, epsilon, quantile
        self.chunks, self.n_done, self.n_failed, self.smallest = [], 0, 0, np.inf

    def __len__(self):
        return sum(len(theta) for theta, _, _ in self.chunks)

    def rows(self):
        return tuple(np.concatenate(column) for column in zip(*self.chunks))

    def add(self, theta, x, rho):
        finite = np.isfinite(x).all(axis=1) & np.isfinite(rho)
        keep = finite if self.quantile is not None else finite & (rho < self.epsilon)         # (2)
        self.chunks.append(tuple(a[keep] for a in (theta, x, rho)))
        if self.quantile is not None:
            self.chunks = [nearest(self.rows(), fraction(self.quantile, self.n_simulations))]         # (4)
        self.n_done, self.n_failed = self.n_done + len(rho), self.n_failed + int(np.sum(~finite))
        self.smallest = np.min(rho[finite], initial=self.smallest)

    def finished(self):
        """What is kept of the run; of one that was interrupted, the fraction of what was simulated."""
        if self.quantile is None:
            return self.rows()
        return nearest(self.rows(), fraction(self.quantile, self.n_done))


def check_choice(epsilon, quantile):
    """The tolerance and the fraction, of which exactly one is a number."""
    if (epsilon is None) == (quantile is None):
        came = "neither" if quantile is None else "both"
        raise ValueError(f"epsilon, quantile: expected one of the two, got {came}")
    if quantile is None:
        return checks.check_positive("epsilon", epsilon), None
    if not checks.check_positive("quantile", quantile) <= 1:
        raise ValueError(f"quantile: expected a fraction in (0, 1], got {quantile!r}")
    return None, float(quantile)


def fraction(quantile, n):
    """How many of n a quantile keeps: at least one."""
    return max(1, round(quantile * n))


def nearest(arrays, n):
    """The n rows of smallest distance, the last of the arrays, in their order; of equal ones the earlier."""
    chosen = np.sort(np.argsort(arrays[-1], kind="stable")[:n])
    return tuple(a[chosen] for a in arrays)
