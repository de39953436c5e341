"""The step size by hand, and the variances."""
import math

import numpy as np
import pytest

import accel
import reference

BOTH = pytest.mark.parametrize("package", [reference, accel])


@BOTH
def test_step_size_by_hand(package):
    """ε₁ = 1, misses 0.2 and −0.1: h = 0.2/11, then (11/12) 0.2/11 − 0.1/12 = 1/120; log ε = log 10 − 20 √t
    h."""
    tuning = package.inference.hmc_tuning.StepSize(1.0)
    assert tuning.epsilon == 1.0
    first = tuning.tuned(0.2)
    assert np.log(first.epsilon) == pytest.approx(2.302585 - 0.363636, abs=2e-6)
    assert first.settled().epsilon == pytest.approx(first.epsilon)
    second = first.tuned(-0.1)
    assert np.log(second.epsilon) == pytest.approx(2.302585 - 0.235702, abs=2e-6)
    settled = 0.594604 * 2.066883 + 0.405396 * 1.938949
    assert np.log(second.settled().epsilon) == pytest.approx(settled, abs=2e-6)


@BOTH
@pytest.mark.parametrize("target", [0.6, 0.9])
def test_step_size_finds_the_acceptance_that_was_asked_for(package, target):
    """A world in which a step ε is accepted with probability exp(−ε/3): ε must come to −3 log δ."""
    tuning = package.inference.hmc_tuning.StepSize(0.01)
    for _ in range(400):
        tuning = tuning.tuned(target - math.exp(-tuning.epsilon / 3))
    assert tuning.settled().epsilon == pytest.approx(-3 * math.log(target), rel=0.03)


@BOTH
@pytest.mark.parametrize("edge", [3e-4, 0.9, 700.0])
def test_first_step_size_lies_beside_the_edge(package, edge):
    epsilon = package.inference.hmc_tuning.first_step_size(lambda epsilon: float(epsilon < edge))
    assert edge / 2 <= epsilon <= 2 * edge and math.log2(epsilon) == round(math.log2(epsilon))


@BOTH
def test_variance_is_numpys_drawn_towards_a_thousandth(package):
    u = np.random.default_rng(0).normal(0, (0.1, 3.0), (400, 2))
    np.testing.assert_allclose(package.inference.hmc_tuning.pooled_variance(u),
                               (400 * u.var(axis=0) + 5 * 1e-3) / 405, rtol=1e-13)
    np.testing.assert_allclose(package.inference.hmc_tuning.pooled_variance(np.ones((5, 1))), [5e-4],
                               rtol=1e-14)


@BOTH
def test_windows_end_at_the_quarters(package):
    ends = package.inference.hmc_tuning.ends_of_windows
    assert ends(200) == (50, 100, 150) and ends(13) == (3, 6, 9) and ends(0) == (0, 0, 0)
