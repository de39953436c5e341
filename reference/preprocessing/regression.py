"""Linear regression of parameters on data, and whitening of its residuals: the linear part of a posterior.

    (1)  X = [1, C];   A = (XᵀX + λN·I′)⁻¹ XᵀU              I′: identity without the constant, λ = 10⁻⁶
    (2)  R = U − X A;   L Lᵀ = RᵀR/N + 10⁻¹² I              the residuals and their covariance
    (3)  v = L⁻¹ (u − [1, c] A)                             whiten
    (4)  u = [1, c] A + L v                                 undo
    (5)  log|det ∂v/∂u| = −∑ᵢ log Lᵢᵢ

A flow that is trained on v starts as the best posterior that is normal with a mean linear in the data. It has
to learn only the difference from that posterior, which for a linear-Gaussian problem is zero.

Shapes        N samples, C context numbers, P parameters; u, v (N, P); c (N, C); A (C + 1, P); L (P, P), lower
              triangular.
Conventions   c is standardised, so that one λ suits all columns. With fewer than 20 samples per column of X
              the residuals would be visibly too small; A then holds only the mean. The fit is made in
              float64.
Source        "Ridge Regression", Hoerl and Kennard, 1970; regression adjustment: "Approximate Bayesian
              computation in population genetics", Beaumont, Zhang and Balding, 2002, eqs. 5–7.
Departures    the second source adjusts samples; here the adjustment is part of the density.

Example
-------
>>> import numpy as np
>>> from reference.preprocessing.regression import fit_regression
>>> c = np.random.default_rng(0).standard_normal((1000, 1))
>>> fit_regression(3 * c + 1, c).coefficients.round(4)
array([[1.],
       [3.]])
"""
from typing import NamedTuple

import numpy as np

from reference.runtime.protocols import Array

__all__ = ["Regression", "fit_regression"]

RIDGE, FLOOR, SAMPLES_PER_COLUMN = 1e-6, 1e-12, 20


class Regression(NamedTuple):
    """A fitted regression.

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
        return -np.sum(np.log(np.diag(self.factor)))                              # (5)

    def mean(self, c: Array) -> Array:
        """The predicted u, [1, c] A, (N, P).

        Parameters
        ----------
        c : (N, C) float
        """
        return self.coefficients[0] + c @ self.coefficients[1:]

    def whiten(self, u: Array, c: Array) -> Array:
        """v of (3), (N, P).

        Parameters
        ----------
        u : (N, P) float
        c : (N, C) float
        """
        return np.linalg.solve(self.factor, (u - self.mean(c)).T).T               # (3)

    def undo(self, v: Array, c: Array) -> Array:
        """u of (4), in the shape of v.

        Parameters
        ----------
        v : (N, P) or (N, n, P) float
            One for each c, or n.
        c : (N, C) float
        """
        mean = self.mean(c)
        return (mean if v.ndim == 2 else mean[:, None]) + v @ self.factor.T       # (4)


def fit_regression(u: Array, c: Array) -> Regression:
    """Regress u on c, which the caller has checked.

    Parameters
    ----------
    u : (N, P) float
    c : (N, C) float
        Standardised.
    """
    dtype, u, c = u.dtype, u.astype(np.float64), c.astype(np.float64)
    n, n_columns = len(u), c.shape[1] + 1
    if n < SAMPLES_PER_COLUMN * n_columns:
        coefficients = np.concatenate((u.mean(axis=0)[None], np.zeros((n_columns - 1, u.shape[1]))))
    else:
        x = np.concatenate((np.ones((n, 1)), c), axis=1)
        ridge = RIDGE * n * np.diag(np.arange(n_columns) > 0)
        coefficients = np.linalg.solve(x.T @ x + ridge, x.T @ u)                  # (1)
    residual = u - coefficients[0] - c @ coefficients[1:]
    covariance = residual.T @ residual / n + FLOOR * np.eye(u.shape[1])           # (2)
    factor = np.linalg.cholesky(covariance)
    return Regression(coefficients.astype(dtype), factor.astype(dtype))
