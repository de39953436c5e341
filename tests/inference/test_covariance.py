"""Covariances that are none."""
import numpy as np
import pytest

import accel
import reference

BOTH = pytest.mark.parametrize("package", [reference, accel])


@BOTH
@pytest.mark.parametrize(("covariance", "message"), [
    (np.array([1.0, 0.0, 1.0, 1.0]), "covariance: expected positive variances, got 0 as the smallest"),
    (np.diag([1.0, -1.0, 1.0, 1.0]),
     "covariance: expected a positive definite matrix, got one with the smallest eigenvalue -1"),
    (np.triu(np.ones((4, 4))), "covariance: expected a symmetric matrix"),
    (np.full(4, np.inf), "covariance: expected finite"),
    (np.ones((3, 4)), r"covariance: expected shape \(D, D\), got \(3, 4\)"),
    (np.ones((2, 2, 2)), r"covariance: expected shape \(D,\), got \(2, 2, 2\)"),
])
def test_a_covariance_that_is_none_is_refused(package, covariance, message):
    with pytest.raises(ValueError, match=message):
        package.inference.covariance.check_covariance(covariance)


@BOTH
def test_a_covariance_that_is_one_comes_back_as_a_read_only_copy(package):
    for given in (np.array([1.0, 2.0], np.float32), [[2.0, 0.5], [0.5, 1.0]]):
        found = package.inference.covariance.check_covariance(given)
        assert found.dtype == np.float64 and not found.flags.writeable and found is not given
        np.testing.assert_array_equal(found, given)
