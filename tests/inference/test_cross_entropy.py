"""The ratio's losses of logits: the lecture's formula by hand, the literal form, finite numbers, the
gradient."""
import math

import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import assert_close

literal = reference.inference.cross_entropy
USED = pytest.mark.parametrize("used", [reference.inference.cross_entropy.cross_entropy,
                                        accel.inference.cross_entropy.cross_entropy],
                               ids=["reference", "accel"])


def lectures_loss(matched, mismatched):
    """S3's formula for labels 1 and 0, as it is printed: the mean of y log s + (1 − y) log(1 − s)."""
    y, f = np.repeat([1.0, 0.0], len(matched)), np.concatenate((matched, mismatched))
    s = 1 / (1 + np.exp(-f))
    return np.mean(y * np.log(s) + (1 - y) * np.log(1 - s))


@USED
def test_binary_loss_is_the_lectures_with_its_missing_sign(used):
    """By hand: the classifier says 3/4 to the matched pair and 1/3 to the mismatched one."""
    matched, mismatched = np.array([math.log(3)]), np.array([-math.log(2)])
    both = np.stack((matched, mismatched))
    expected = -0.5 * (math.log(3 / 4) + math.log(1 - 1 / 3))
    for found in (literal.binary_cross_entropy(matched, mismatched), literal.cross_entropy_literal(both),
                  used(both)):
        assert found == pytest.approx(expected, abs=1e-14)
    assert lectures_loss(matched, mismatched) == pytest.approx(-expected, abs=1e-14)


@USED
@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_literal_form_is_the_one_that_is_used(used, k):
    f = 3 * np.random.default_rng(k).standard_normal((k + 1, 40))
    assert_close(used(f), literal.cross_entropy_literal(f), terms=100)


@USED
@pytest.mark.parametrize("k", [1, 2, 5])
def test_it_is_finite_where_a_sigmoid_is_zero(used, k):
    f = 3000 * np.random.default_rng(k).standard_normal((k + 1, 40))
    assert np.isfinite(used(f)) and used(f) > 100
    with np.errstate(all="ignore"):
        assert not np.isfinite(literal.cross_entropy_literal(f)) and not np.isfinite(lectures_loss(f[0],
                                                                                                   f[1]))


@USED
def test_a_classifier_that_knows_nothing_pays_a_known_price(used):
    for k in (1, 2, 5):
        assert used(np.zeros((k + 1, 3))) == pytest.approx(0.5 * (math.log(2 * k) + math.log(2)))


def test_balance_is_zero_for_a_classifier_that_is_as_often_wrong_as_it_says():
    f = np.array([[2.0, -1.0], [-2.0, 1.0]])                                   # s(f) + s(−f) = 1
    assert literal.imbalance(f) == pytest.approx(0, abs=1e-15)
    too_sure = np.array([[2.0, 2.0], [2.0, 2.0]])
    assert literal.imbalance(too_sure) == pytest.approx(2 / (1 + math.exp(-2)) - 1)
    found = (accel.inference.cross_entropy.cross_entropy(too_sure, 3.0)
             - accel.inference.cross_entropy.cross_entropy(too_sure))
    assert found == pytest.approx(3 * literal.imbalance(too_sure)**2)


@pytest.mark.parametrize("balance", [0.0, 30.0])
@pytest.mark.parametrize("k", [1, 4])
def test_the_gradient_is_that_of_differences(k, balance):
    f, loss = 2 * np.random.default_rng(k).standard_normal((k + 1,
                                                            6)), accel.inference.cross_entropy.cross_entropy
    df = np.empty_like(f)
    loss(f, balance, df)
    for place in np.ndindex(f.shape):
        step = np.zeros_like(f)
        step[place] = 1e-5
        assert df[place] == pytest.approx((loss(f + step, balance) - loss(f - step, balance)) / 2e-5,
                                          rel=1e-6, abs=1e-10)
