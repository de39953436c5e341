"""Linear regression of parameters on data: the part of a posterior that needs no network.

The mathematics is in `reference.preprocessing.regression`. Same values; the products XᵀX, XᵀU and RᵀR are accumulated in float64 over
blocks of rows, so that no float64 copy of the data is ever held, and L, which is small, is inverted once.
"""
from typing import NamedTuple

import numpy as np

from accel.device import array_module

__all__ = ["Regression", "fit_regression"]

RIDGE, FLOOR, SAMPLES_PER_COLUMN = 1e-6, 1e-12, 20
ROWS = 8192


class Regression(NamedTuple):
    """A fitted regression: A (C + 1, P) and L (P, P), in the dtype of the data."""
    coefficients: np.ndarray
    factor: np.ndarray

    @property
    def log_det(self):
        """log|det ∂v/∂u|, a constant, in nats."""
        xp = array_module(self.factor)
        return -xp.log(xp.diagonal(self.factor)).sum()

    def mean(self, c):
        """The predicted u, (N, P)."""
        mean = c @ self.coefficients[1:]
        mean += self.coefficients[0]
        return mean

    def whiten(self, u, c):
        """v of (3), (N, P)."""
        inverse = array_module(u).linalg.inv(self.factor)
        return (u - self.mean(c)) @ inverse.T

    def undo(self, v, c):
        """u of (4): (N, P) for v (N, P), and (N, n, P) for n of them for each c, v (N, n, P)."""
        mean, u = self.mean(c), v @ self.factor.T
        u += mean if v.ndim == 2 else mean[:, None]
        return u


def fit_regression(u, c):
    """Regress u (N, P) on c (N, C)."""
    xp, dtype, n, n_columns = array_module(u), u.dtype, len(u), c.shape[1] + 1
    if n < SAMPLES_PER_COLUMN * n_columns:
        coefficients = xp.zeros((n_columns, u.shape[1]))
        coefficients[0] = u.astype(np.float64).mean(axis=0)
    else:
        gram, moment = 0, 0
        for rows in _blocks(n):
            x = _design(xp, c[rows])
            gram, moment = gram + x.T @ x, moment + x.T @ u[rows].astype(np.float64)
        ridge = xp.asarray(RIDGE * n * np.diag(np.arange(n_columns) > 0))
        coefficients = xp.linalg.solve(gram + ridge, moment)
    scatter = 0
    for rows in _blocks(n):
        residual = u[rows].astype(np.float64) - _design(xp, c[rows]) @ coefficients
        scatter = scatter + residual.T @ residual
    factor = xp.linalg.cholesky(scatter / n + FLOOR * xp.eye(u.shape[1]))
    return Regression(coefficients.astype(dtype), factor.astype(dtype))


def _blocks(n):
    return (slice(start, start + ROWS) for start in range(0, n, ROWS))


def _design(xp, c):
    """[1, C] in float64."""
    x = xp.ones((len(c), c.shape[1] + 1))
    x[:, 1:] = c
    return x
