"""The simulations that rejection ABC keeps, chunk by chunk.

The mathematics is in `reference.inference.kept`. Same rows; they are in columns of the length that is
expected at the end: memory holds them once, and not once more while chunks are joined. For a quantile only
rows nearer than the worst one kept so far come here, and a partition finds the nearest.

Example
-------
>>> import numpy as np
>>> from accel.inference.kept import nearest
>>> rho = np.array([0.3, 0.1, 0.3, 0.9])
>>> print(nearest((np.arange(4), rho), 2)[0])
[0 1]
"""
import math

import numpy as np

from accel.device import array_module
from accel.runtime import checks

__all__ = []
SHARED = ["Kept", "check_choice", "nearest", "rows"]
__all__ += SHARED


class Kept:
    """What was kept so far, as columns (θ, x, ρ), of how many simulations, and how many of these failed."""

    def __init__(self, n_simulations, epsilon, quantile):
        self.n_simulations, self.epsilon, self.quantile = n_simulations, epsilon, quantile
        self.n_wanted = None if quantile is None else fraction(quantile, n_simulations)
        self.columns, self.n, self.n_done, self.n_failed, self.smallest = None, 0, 0, 0, np.inf

    def __len__(self):
        return self.n

    def rows(self):
        return tuple(column[:self.n] for column in self.columns)

    def bound(self):
        """The distance below which a simulation may be kept."""
        if self.quantile is None:
            return self.epsilon
        return self.columns[2].max() if self.n >= self.n_wanted else np.inf

    def add(self, near, n, n_failed, smallest):
        """Take in the rows near of n more simulations."""
        self.n_done, self.n_failed = self.n_done + n, self.n_failed + n_failed
        self.smallest = min(self.smallest, smallest)
        if self.quantile is None:
            self.append(near)
        else:
            together = joined(self.rows(), near) if self.columns else near
            self.columns = nearest(together, self.n_wanted)                                   # (4)
            self.n = len(self.columns[0])

    def append(self, near):
        end = self.n + len(near[0])
        if self.columns is None or end > len(self.columns[0]):
            expected = math.ceil((end + 4 * math.sqrt(end)) / self.n_done * self.n_simulations)
            size = min(expected, end + self.n_simulations - self.n_done)
            longer = [array_module(column).empty((size, *column.shape[1:]), column.dtype) for column in near]
            for column, old in zip(longer, self.columns or ()):
                column[:self.n] = old[:self.n]
            self.columns = longer
        for column, new in zip(self.columns, near):
            column[self.n:end] = new
        self.n = end

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


def rows(arrays, mask):
    """The rows that the mask marks: their numbers are counted once, not once for each array."""
    xp = array_module(mask)
    index = xp.flatnonzero(mask)
    return tuple(xp.take(a, index, axis=0) for a in arrays)


def joined(*chunks):
    return tuple(array_module(*column).concatenate(column) for column in zip(*chunks))


def nearest(arrays, n):
    """The n rows of smallest distance, the last of the arrays, in their order; of equal ones the earlier."""
    rho = arrays[-1]
    if len(rho) <= n:
        return arrays
    xp = array_module(rho)
    threshold = xp.partition(rho, n - 1)[n - 1]
    inside, tied = rho < threshold, rho == threshold
    earlier = xp.cumsum(tied) <= n - inside.sum()
    return rows(arrays, xp.logical_or(inside, xp.logical_and(tied, earlier)))
