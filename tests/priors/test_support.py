"""Rows inside and outside a prior's support."""
import numpy as np
import pytest
from scipy import stats

from tests.support.priors import BOTH


@BOTH
def test_rows_outside_are_counted_and_the_first_is_named(package):
    box = package.priors.BoxUniform(0.0, 1.0)
    package.priors.check_inside("theta", box, np.array([[0.5], [0.1]]))
    message = r"^theta: expected rows inside .* got 2 of 3 outside \(first: row 1\)"
    with pytest.raises(ValueError, match=message):
        package.priors.check_inside("theta", box, np.array([[0.5], [1.0], [np.nan]]))


@BOTH
def test_a_row_outside_is_replaced_by_the_centre_and_those_inside_are_kept(package):
    prior = package.priors.BoxUniform([-1.0, 2.0], [3.0, 4.0])
    theta = np.array([[0.0, 3.5], [-2.0, 3.0], [np.nan, 3.0], [1.0, 3.0]])
    u, log_det, inside = package.priors.unconstrained_inside(prior, theta)
    assert inside.tolist() == [True, False, False, True] and np.isfinite(u).all()
    np.testing.assert_allclose(u, [stats.norm.ppf([0.25, 0.75]), [0, 0], [0, 0], [0, 0]], atol=1e-14)
    np.testing.assert_allclose(log_det, -stats.norm.logpdf(u).sum(axis=1) - np.log(4 * 2), rtol=1e-14)
