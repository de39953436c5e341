"""The target by hand."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference

BOTH = pytest.mark.parametrize("package", [reference, accel])


def normal_target(package, *likelihood):
    return package.inference.target.Target(package.priors.Normal([1.0, -2.0], [0.5, 3.0]), *likelihood)


@BOTH
def test_it_adds_the_priors_density_of_u(package):
    u = np.array([[0.3, -1.0], [0.0, 2.0]])
    target = normal_target(package, lambda u: 7 * u[:, 0],
                           lambda u: (7 * u[:, 0], np.array([7.0, 0.0]) + 0 * u))
    expected = 7 * u[:, 0] + stats.norm.logpdf(u).sum(axis=1)
    np.testing.assert_allclose(target.log_prob(u), expected, rtol=1e-14)
    log_prob, grad = target.log_prob_and_grad(u)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-14)
    np.testing.assert_allclose(grad, np.array([7.0, 0.0]) - u, rtol=1e-14)


@BOTH
def test_without_a_gradient_it_says_so(package):
    with pytest.raises(ValueError, match="target: expected a log_likelihood_and_grad"):
        normal_target(package, lambda u: u[:, 0]).log_prob_and_grad(np.zeros((1, 2)))


@BOTH
def test_beyond_reach_there_is_no_density_whatever_the_likelihood_says(package):
    target = package.inference.target.Target(package.priors.Normal(0.0, 1.0), lambda u: u[:, 0] * np.nan,
                                             lambda u: (u[:, 0] * np.nan, u * np.nan))
    u = np.array([[2000.0], [-2000.0]])
    assert (target.log_prob(u) == -np.inf).all()
    log_prob, grad = target.log_prob_and_grad(u)
    assert (log_prob == -np.inf).all() and (grad == 0).all()


class Stored:
    """A prior that hands out arrays of its own, which nobody may change."""
    value, slope = np.array([0.5, -0.5]), np.ones((2, 1))

    def unconstrained_log_prob(self, u):
        return self.value

    def unconstrained_log_prob_and_grad(self, u):
        return self.value, self.slope


@BOTH
def test_what_prior_and_likelihood_return_is_not_changed(package):
    prior, likelihood, slope = Stored(), np.array([1.0, 2.0]), np.array([[3.0], [4.0]])
    target = package.inference.target.Target(prior, lambda u: likelihood, lambda u: (likelihood, slope))
    for _ in range(2):
        assert target.log_prob(np.zeros((2, 1))).tolist() == [1.5, 1.5]
        assert target.log_prob_and_grad(np.zeros((2, 1)))[1].tolist() == [[4.0], [5.0]]
    assert likelihood.tolist() == [1.0, 2.0] and prior.value.tolist() == [0.5, -0.5]
    assert (prior.slope == 1).all()
