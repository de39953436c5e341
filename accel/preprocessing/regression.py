"""Linear regression of parameters on data, and whitening of its residuals: the linear part of a posterior.

The mathematics is in `reference.preprocessing.regression`. Same values; the products XᵀX, XᵀU and RᵀR are
summed in float64 over blocks of rows, so that no float64 copy of the data is made, and L, which is small, is
inverted once.

Example
-------
>>> import numpy as np
>>> from accel.preprocessing.regression import fit_regression
>>> c = np.random.default_rng(0).standard_normal((1000, 1))
>>> fit_regression(3 * c + 1, c).coefficients.round(4)
array([[1.],
       [3.]])
"""
from typing import NamedTuple

import numpy as np

from accel.device import array_module
from accel.runtime.protocols import Array

__all__ = ["Regression", "fit_regression"]

RIDGE, FLOOR, SAMPLES_PER_COLUMN = 1e-6, 1e-12, 20
ROWS = 8192


class Regression(NamedTuple):
    """A fitted regression, in the dtype of the data.

    Attributes
    ----------
    coefficients : (C + 1, P) float
        A.
    factor : (P, P) float
        L, lower triangular.
    """
    coefficients: np.ndarray
    factor: np.ndarray

    @property
    def log_det(self) -> Array:
        """log|det ∂v/∂u| in nats, the same number for every row."""
        xp = array_module(self.factor)
        return -xp.log(xp.diagonal(self.factor)).sum()                            # (5)

    def mean(self, c: Array) -> Array:
        """The predicted u, [1, c] A, (N, P).

        Parameters
        ----------
        c : (N, C) float
        """
        mean = c @ self.coefficients[1:]
        mean += self.coefficients[0]
        return mean

    def whiten(self, u: Array, c: Array) -> Array:
        """v of (3), (N, P).

        Parameters
        ----------
        u : (N, P) float
        c : (N, C) float
        """
        inverse = array_module(u).linalg.inv(self.factor)
        return (u - self.mean(c)) @ inverse.T                                     # (3)

    def undo(self, v: Array, c: Array) -> Array:
        """u of (4), in the shape of v.

        Parameters
        ----------
        v : (N, P) or (N, n, P) float
            One for each c, or n.
        c : (N, C) float
        """
        mean, u = self.mean(c), v @ self.factor.T
        u += mean if v.ndim == 2 else mean[:, None]                               # (4)
        return u


def fit_regression(u: Array, c: Array) -> Regression:
    """Regress u on c, which the caller has checked.

    Parameters
    ----------
    u : (N, P) float
    c : (N, C) float
        Standardised.
    """
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
        coefficients = xp.linalg.solve(gram + ridge, moment)                      # (1)
    scatter = 0
    for rows in _blocks(n):
        residual = u[rows].astype(np.float64) - _design(xp, c[rows]) @ coefficients
        scatter = scatter + residual.T @ residual
    factor = xp.linalg.cholesky(scatter / n + FLOOR * xp.eye(u.shape[1]))         # (2)
    return Regression(coefficients.astype(dtype), factor.astype(dtype))


def _blocks(n):
    return (slice(start, start + ROWS) for start in range(0, n, ROWS))


def _design(xp, c):
    """[1, C] in float64."""
    x = xp.ones((len(c), c.shape[1] + 1))
    x[:, 1:] = c
    return x
