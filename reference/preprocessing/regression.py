"""Linear regression of parameters on data: the part of a posterior that needs no network.

    (1)  X = [1, C];   A = (XᵀX + λN·I′)⁻¹ XᵀU              I′ the identity without the constant's entry; λ = 10⁻⁶
    (2)  R = U − X A;   L Lᵀ = RᵀR/N + 10⁻¹² I              what is left, and its width
    (3)  whiten:  v = L⁻¹ (u − [1, c] A)        (4)  undo:  u = [1, c] A + L v        (5)  log|det ∂v/∂u| = −∑ᵢ log Lᵢᵢ

A flow that is trained on v starts as the best posterior that is normal with a mean linear in the data. It has to learn only
what differs from that, which for a linear-Gaussian problem is nothing at all.

Shapes        N samples, C context numbers, P parameters; u, v (N, P); c (N, C); A (C + 1, P); L (P, P), lower triangular.
Conventions   c is standardised, which is what makes one λ fit all. With fewer than 20 samples per column of X the residuals
              would be visibly too small, so A then holds only the mean. The fit is made in float64.
Source        "Ridge Regression", Hoerl and Kennard, 1970; the idea is regression adjustment, Beaumont, Zhang and Balding,
              "Approximate Bayesian computation in population genetics", 2002, eqs. 5–7, made part of the density.
"""
from typing import NamedTuple

import numpy as np

__all__ = ["Regression", "fit_regression"]

RIDGE, FLOOR, SAMPLES_PER_COLUMN = 1e-6, 1e-12, 20


class Regression(NamedTuple):
    """A fitted regression: A (C + 1, P) and L (P, P)."""
    coefficients: np.ndarray
    factor: np.ndarray

    @property
    def log_det(self):
        """log|det ∂v/∂u|, a constant, in nats."""
        return -np.sum(np.log(np.diag(self.factor)))                  # (5)

    def mean(self, c):
        """The predicted u, (N, P)."""
        return self.coefficients[0] + c @ self.coefficients[1:]

    def whiten(self, u, c):
        """v of (3), (N, P)."""
        return np.linalg.solve(self.factor, (u - self.mean(c)).T).T   # (3)

    def undo(self, v, c):
        """u of (4): (N, P) for v (N, P), and (N, n, P) for n of them for each c, v (N, n, P)."""
        mean = self.mean(c)
        return (mean if v.ndim == 2 else mean[:, None]) + v @ self.factor.T       # (4)


def fit_regression(u, c):
    """Regress u (N, P) on c (N, C)."""
    dtype, u, c = u.dtype, u.astype(np.float64), c.astype(np.float64)
    n, n_columns = len(u), c.shape[1] + 1
    if n < SAMPLES_PER_COLUMN * n_columns:
        coefficients = np.concatenate((u.mean(axis=0)[None], np.zeros((n_columns - 1, u.shape[1]))))
    else:
        x = np.concatenate((np.ones((n, 1)), c), axis=1)
        ridge = RIDGE * n * np.diag(np.arange(n_columns) > 0)
        coefficients = np.linalg.solve(x.T @ x + ridge, x.T @ u)      # (1)
    residual = u - coefficients[0] - c @ coefficients[1:]
    factor = np.linalg.cholesky(residual.T @ residual / n + FLOOR * np.eye(u.shape[1]))       # (2)
    return Regression(coefficients.astype(dtype), factor.astype(dtype))
