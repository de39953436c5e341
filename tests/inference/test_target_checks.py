"""Checks of targets and starts: what they count, what they refuse, and what they must let pass."""
import numpy as np
import pytest

import accel
import reference

BOTH = pytest.mark.parametrize("package", [reference, accel])


@BOTH
@pytest.mark.parametrize(("log_prob", "n_chains"), [([0.0, np.nan, np.inf], 2), ([np.inf, -1.0], 1)])
def test_chains_whose_density_is_not_finite_are_counted(package, log_prob, n_chains):
    with pytest.raises(package.inference.chains.NotFinite) as caught:
        package.inference.target_checks.check_finite_log_prob(np.array(log_prob))
    assert caught.value.args == ("log_prob", n_chains)


def test_a_chain_is_counted_once_however_often_it_stands_in_a_batch():
    values = np.array([0.0, np.nan, np.nan, -np.inf, np.inf])
    with pytest.raises(accel.inference.chains.NotFinite) as caught:
        # chains 0, 1, 1, 2, 2
        accel.inference.target_checks.check_finite_log_prob(values, np.array([0, 1, 4, 2, 5]), 3)
    assert caught.value.args[1] == 2
    with pytest.raises(reference.inference.chains.NotFinite) as caught:
        reference.inference.target_checks.check_finite_log_prob(np.array([[0.0, np.nan, -np.inf],
                                                                          [0.0, np.nan, np.inf]]))
    assert caught.value.args[1] == 2


@BOTH
def test_minus_infinity_is_legal_within_a_run_and_not_at_its_start(package):
    checks, log_prob = package.inference.target_checks, np.array([0.0, -np.inf])
    checks.check_finite_log_prob(log_prob)
    with pytest.raises(ValueError,
                       match="start: expected points inside the target's support, got 1 of 2 with a "
                       "density of zero"):
        checks.check_supported(log_prob)


class Cubic:
    """log π = −∑ u⁴, whose gradient is strongly curved; `factor` makes it wrong."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def log_prob(self, u):
        return -np.sum(u**4, axis=1)

    def log_prob_and_grad(self, u):
        return self.log_prob(u), -4 * self.factor * u**3


@BOTH
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_right_gradient_passes_and_a_wrong_one_does_not(package, dtype):
    check = package.inference.target_checks.check_gradient
    u = np.random.default_rng(0).normal(0, 2, (40, 3)).astype(dtype)
    check(np.random.default_rng(1), Cubic(), u, *Cubic().log_prob_and_grad(u))
    for factor in (-1.0, 0.0, 0.5, 1.3):
        with pytest.raises(ValueError,
                           match="target: expected the gradient of its log_prob, got one whose slope at "
                           "start"):
            check(np.random.default_rng(1), Cubic(factor), u, *Cubic(factor).log_prob_and_grad(u))
