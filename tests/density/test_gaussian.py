"""Weighted covariances against NumPy's, log-densities against SciPy's, covariances singular to rounding."""
import numpy as np
import pytest

import accel
import reference
from reference.density import gaussian

MEAN, COVARIANCE = np.array([1.0, -2.0, 0.5]), np.array([[1.0, 0.6, 0.1], [0.6, 0.8, -0.2], [0.1, -0.2, 0.5]])


def weighted(n=60):
    rng = np.random.default_rng(0)
    return rng.multivariate_normal(MEAN, COVARIANCE, n), rng.dirichlet((1.0, 2.0), n)


@pytest.mark.parametrize("package", [reference, accel])
def test_estimates_are_numpys_weighted_covariances(package):
    (x, r), module = weighted(), package.density.gaussian
    means = np.stack([np.average(x, axis=0, weights=r_k) for r_k in r.T])
    full = np.stack([np.cov(x.T, aweights=r_k, bias=True) for r_k in r.T])
    diagonal = np.diagonal(full, axis1=1, axis2=2)
    expected = {"FULL": full, "DIAGONAL": diagonal,
                "SPHERICAL": np.repeat(diagonal.mean(axis=1)[:, None], 3, axis=1)}
    for kind, covariances in expected.items():
        given = r if package is reference else r.T.copy()
        found = getattr(module, kind).estimate(x, given, r.sum(axis=0), means)
        np.testing.assert_allclose(found, covariances, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("diagonal", [False, True])
def test_log_normal_is_scipys(diagonal):
    from scipy.stats import multivariate_normal
    x, covariance = weighted()[0], np.diag(COVARIANCE) if diagonal else COVARIANCE
    root = gaussian.factors(covariance[None])[0]
    full = np.diag(covariance) if diagonal else covariance
    expected = multivariate_normal(MEAN, full).logpdf(x)
    np.testing.assert_allclose(gaussian.log_normal(x, MEAN, root), expected, rtol=1e-12)


@pytest.mark.parametrize("package", [reference, accel])
def test_a_covariance_that_is_singular_to_rounding_is_named(package):
    check, least = package.density.gaussian.check_regular, np.full(3, 1e-20)
    line = COVARIANCE.copy()
    line[2], line[:, 2] = line[1], line[:, 1]
    line[2, 2] = line[1, 1]
    check(np.stack((COVARIANCE, 2 * COVARIANCE)), least, 0.0)
    check(np.ones((2, 3)), least, 0.0)
    for covariances in (np.stack((COVARIANCE, line)), np.array([[1.0, 1.0, 1.0], [1.0, 1e-21, 1.0]])):
        with pytest.raises(ValueError, match="component 1: collapsed, its covariance is singular.*floor 0.5"):
            check(covariances, least, 0.5)
