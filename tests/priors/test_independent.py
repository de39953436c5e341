"""A product of priors against SciPy's densities of its parts."""
import numpy as np
import pytest
from scipy import stats

from tests.support.priors import BOTH, DIRICHLET, PRODUCT, in_package, refuses


def test_log_densities_add_in_the_order_of_the_columns():
    theta = np.array([[0.1, 0.2, 0.3, 0.4, 2.0, 0.5, 1.5, 0.2, -0.3, 4.0]])
    by_hand = (stats.dirichlet(DIRICHLET.concentration).logpdf(theta[0, :4]) - np.log(3.4 * 0.6)
               + stats.lognorm(s=[0.5, 1.1], scale=np.exp([-0.9, 0.1])).logpdf(theta[0, 6:8]).sum()
               + stats.norm([0.1, -2.3], [0.3, 4.1]).logpdf(theta[0, 8:]).sum())
    np.testing.assert_allclose(PRODUCT.log_prob(theta), [by_hand], rtol=1e-12)
    assert (PRODUCT.dim, PRODUCT.unconstrained_dim) == (10, 9)


@BOTH
def test_the_cube_is_that_of_the_parts_side_by_side(package):
    twin, v = in_package(package, PRODUCT), np.random.default_rng(0).random((20, 9))
    theta = twin.from_uniform(v)
    start = end = 0
    for part in twin.parts:
        columns, points = theta[:, start:start + part.dim], v[:, end:end + part.unconstrained_dim]
        np.testing.assert_array_equal(columns, part.from_uniform(points))
        start, end = start + part.dim, end + part.unconstrained_dim
    theta[3, 4] = 99.0                                # outside the box, inside all other parts
    assert np.isnan(twin.to_uniform(theta)[3]).tolist() == [False] * 3 + [True] * 2 + [False] * 4


@refuses((lambda p: p.Independent([]), "parts: expected a list"),
         (lambda p: p.Independent([3.0]), "parts: expected a list"))
def test_bad_input_is_named(package, make, message):
    with pytest.raises(ValueError, match=message):
        make(package.priors)
