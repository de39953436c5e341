import math

import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.validation import mean_log_prob
from tests.agreement.comparator import assert_close
from tests.support.gaussian_posterior import observe


def test_mean_and_standard_error_are_scipys():
    log_prob = np.random.default_rng(0).normal(-3, 2, 91)
    found = mean_log_prob.estimate(log_prob)
    assert_close(found.mean, log_prob.mean(), terms=91)
    assert_close(found.standard_error, stats.sem(log_prob), terms=91)
    assert (found.n, found.n_outside, found.mean_inside) == (91, 0, found.mean)


def test_mean_is_minus_the_entropy_of_an_exact_posterior(seed):
    """E[log p(θ*|x)] = −∑_d ½ log(2πe s_d²), and a width w costs KL = log w + (1/w² − 1)/2 nats per
    parameter."""
    rng = np.random.default_rng((seed, 1))
    entropy = stats.norm.entropy(scale=observe(rng, 2, 1, 2).std).sum()
    for width in (1.0, 0.8):
        found = mean_log_prob.estimate(observe(np.random.default_rng((seed, 2)), 20_000, 1, 2,
                                               width=width).log_prob_truths)
        loss = 2 * (math.log(width) + (1 / width**2 - 1) / 2)
        assert abs(found.mean + entropy + loss) < 4.5 * found.standard_error
    assert abs(found.mean + entropy) > 4.5 * found.standard_error               # the control: the loss shows


def test_standard_error_is_the_scatter_of_repeated_estimates(seed):
    draws = np.random.default_rng((seed, 3)).standard_exponential((400, 50))
    found = [mean_log_prob.estimate(-row) for row in draws]
    scatter, claimed = np.std([f.mean for f in found]), np.sqrt(np.mean([f.standard_error**2 for f in found]))
    assert abs(scatter / claimed - 1) < 5 / np.sqrt(2 * 400) * 1.2


def test_a_difference_on_the_same_pairs_is_sharper_than_two_means(seed):
    exact = observe(np.random.default_rng((seed, 4)), 500, 1, 2).log_prob_truths
    narrow = observe(np.random.default_rng((seed, 4)), 500, 1, 2, width=0.8).log_prob_truths
    found = mean_log_prob.estimate(exact - narrow)
    assert abs(found.mean - 2 * (math.log(0.8) + (1 / 0.8**2 - 1) / 2)) < 4.5 * found.standard_error
    assert found.standard_error < 0.6 * mean_log_prob.estimate(exact).standard_error


def test_a_truth_outside_the_support_is_counted_not_dropped():
    found = mean_log_prob.estimate(np.array([-1.0, -np.inf, -2.0, -6.0]))
    assert found.mean == -np.inf and found.n == 4 and found.n_outside == 1
    assert found.mean_inside == -3.0
    assert_close(found.standard_error, math.sqrt(7 / 3), terms=4)               # variance 7 of three numbers
    assert all(type(value) in (float, int) for value in found)


def test_nothing_inside_leaves_no_second_mean():
    found = mean_log_prob.estimate(np.full(3, -np.inf))
    assert found.mean == -np.inf and found.n_outside == 3 and math.isnan(found.mean_inside)
    assert math.isnan(found.standard_error)


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
def test_sums_are_kept_in_float64(package):
    """In float32 the running sum of 10⁶ values near −10³ would be off by far more than the values' own
    rounding."""
    log_prob = np.full(1_000_000, -1000.1, np.float32)
    found = package.validation.mean_log_prob.estimate(log_prob)
    assert found.mean == pytest.approx(float(log_prob[0]), abs=1e-7)


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
@pytest.mark.parametrize(("log_prob", "message"), (
    (np.zeros(1), "log_prob: number of entries: expected a whole number of at least 2, got 1"),
    (np.zeros((3, 1)), r"log_prob: expected shape \(M,\), got \(3, 1\)"),
    (np.array([0.0, np.nan, 1.0]), r"log_prob: expected numbers or -inf, got NaN or \+inf in 1 of 3 entries"),
    (np.array([0.0, np.inf, 1.0]), r"log_prob: expected numbers or -inf, got NaN or \+inf in 1 of 3 entries"),
    (["a", "b"], "log_prob: expected real numbers"),
))
def test_bad_input_is_refused(package, log_prob, message):
    with pytest.raises(ValueError, match=message):
        package.validation.mean_log_prob.estimate(log_prob)
