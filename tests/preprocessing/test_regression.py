"""Regression against scikit-learn, and against a linear-Gaussian posterior that is known in closed form."""
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

import accel
import reference
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def linear_gaussian(n, seed=0):
    """u ~ N(0, I), c = B u + noise: the posterior of u is normal with a mean linear in c."""
    rng = np.random.default_rng(seed)
    u = rng.standard_normal((n, 2))
    b = np.array([[1.0, 0.5], [-0.3, 2.0], [0.7, 0.1]])
    return u, u @ b.T + 0.5 * rng.standard_normal((n, 3)), b


@BOTH
def test_coefficients_are_least_squares(package):
    """The ridge, a millionth, moves them by no more than that."""
    u, c, _ = linear_gaussian(500)
    found = package.preprocessing.regression.fit_regression(u, c)
    known = LinearRegression().fit(c, u)
    assert np.abs(found.coefficients[0] - known.intercept_).max() < 1e-5
    assert np.abs(found.coefficients[1:] - known.coef_.T).max() < 1e-5


@BOTH
def test_it_finds_the_closed_form_posterior(package):
    u, c, b = linear_gaussian(100_000)
    found = package.preprocessing.regression.fit_regression(u, c)
    covariance = np.linalg.inv(np.eye(2) + b.T @ b / 0.25)
    gap = np.abs(found.coefficients[1:].T - covariance @ b.T / 0.25)
    assert gap.max() < 5 * np.sqrt(covariance.max() / 100_000)
    error = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / 100_000)
    assert (np.abs(found.factor @ found.factor.T - covariance) < 5 * error).all()


@BOTH
def test_residuals_are_white_and_the_way_back_is_exact(package):
    u, c, _ = linear_gaussian(500)
    found = package.preprocessing.regression.fit_regression(u, c)
    v = found.whiten(u, c)
    assert np.abs(v.T @ v / 500 - np.eye(2)).max() < 1e-9
    assert_close(found.undo(v, c), u, terms=50)
    jacobian = np.linalg.inv(found.factor)
    assert_close(found.log_det, np.linalg.slogdet(jacobian)[1], terms=10)


@BOTH
def test_few_samples_give_the_mean_alone(package):
    u, c, _ = linear_gaussian(79)                                     # 80 are needed for four columns
    found = package.preprocessing.regression.fit_regression(u, c)
    assert not found.coefficients[1:].any() and np.allclose(found.coefficients[0], u.mean(axis=0))
    assert package.preprocessing.regression.fit_regression(*linear_gaussian(80)[:2]).coefficients[1:].all()


@BOTH
def test_collinear_or_constant_data_do_no_harm(package):
    u, c, _ = linear_gaussian(500)
    c = np.concatenate((c, c[:, :1], np.zeros((500, 1))), axis=1)
    found = package.preprocessing.regression.fit_regression(u, c)
    assert np.isfinite(found.coefficients).all() and np.abs(found.coefficients).max() < 2
    # u is a function of c: the width falls to its floor
    exact = package.preprocessing.regression.fit_regression(c[:, :2], c)
    assert np.isfinite(exact.whiten(c[:, :2], c)).all()
