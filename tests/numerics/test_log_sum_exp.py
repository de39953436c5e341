"""log_sum_exp and softmax against SciPy, infinities and NaN, and the gradient against central differences."""
import warnings

import numpy as np
import pytest
from autograd import elementwise_grad, grad
from scipy.special import logsumexp
from scipy.special import softmax as scipy_softmax

import accel
import reference
from reference.numerics.log_sum_exp import log_sum_exp, softmax

INF, NAN = np.inf, np.nan


def numbers(scale=3.0):
    return scale * np.random.default_rng(0).standard_normal((4, 5, 3))


@pytest.mark.parametrize("package", [reference, accel])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("scale", [3.0, 1e4])
def test_is_scipys(package, axis, scale):
    module, a = package.numerics.log_sum_exp, numbers(scale)
    np.testing.assert_allclose(module.log_sum_exp(a, axis), logsumexp(a, axis=axis), rtol=1e-14)
    np.testing.assert_allclose(module.softmax(a, axis), scipy_softmax(a, axis=axis), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("package", [reference, accel])
@pytest.mark.parametrize(("a", "value", "share"), [
    ([-INF, 2.0, 2.0], 2 + np.log(2), [0, 0.5, 0.5]), ([-INF, -INF, 2.0], 2.0, [0, 0, 1]),
    ([-INF, -INF, -INF], -INF, [NAN] * 3),
    ([1.0, INF, -INF], INF, [NAN] * 3), ([INF, INF, 0.0], INF, [NAN] * 3), ([NAN, 1.0, INF], NAN, [NAN] * 3)])
def test_infinities_and_nan_stay_in_their_row_and_raise_no_warning(package, a, value, share):
    module, a = package.numerics.log_sum_exp, np.array([a, [1.0, 2.0, 3.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, shares = module.log_sum_exp(a), module.softmax(a)
    np.testing.assert_allclose(found, [value, logsumexp([1, 2, 3])], rtol=1e-14)
    np.testing.assert_allclose(shares, [share, scipy_softmax([1, 2, 3])], rtol=1e-14)


@pytest.mark.parametrize("axis", [0, -1])
def test_gradient_is_the_softmax_and_the_central_difference(axis):
    a, weight, h = numbers(), np.random.default_rng(1).standard_normal(numbers().shape), 1e-6
    gradient = elementwise_grad(lambda a: log_sum_exp(a, axis))(a)
    np.testing.assert_array_equal(gradient, softmax(a, axis))
    moved = (np.sum(log_sum_exp(a + h * weight, axis)) - np.sum(log_sum_exp(a - h * weight, axis))) / (2 * h)
    assert moved == pytest.approx(np.sum(gradient * weight), rel=1e-8)


def test_gradient_of_a_term_that_is_impossible_is_zero():
    np.testing.assert_array_equal(grad(log_sum_exp)(np.array([-INF, 1.0, 1.0])), [0, 0.5, 0.5])


def test_accels_normalise_is_both_at_once():
    a = np.concatenate((numbers(), [[[-INF] * 3] * 5]))
    share = a.copy()
    value = accel.numerics.log_sum_exp.normalise(share)
    np.testing.assert_array_equal(value, accel.numerics.log_sum_exp.log_sum_exp(a, 0))
    np.testing.assert_array_equal(share, accel.numerics.log_sum_exp.softmax(a, 0))
