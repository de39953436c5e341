"""Hamiltonian Monte Carlo against quadrature and closed forms; its step by hand and literally; gradients that
are wrong."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.inference import hmc
from tests.support import posteriors

BOTH = pytest.mark.parametrize("package", [reference, accel])


def normal_target(package, std, wrong=1.0):
    """The prior N(0, I) in u, tilted so that the posterior of uᵢ is N(0, stdᵢ²), with gradients that many
    times too large."""
    curvature = 1 / np.asarray(std)**2 - 1
    prior = package.priors.Normal(np.zeros(len(std)), np.ones(len(std)))

    def log_likelihood_and_grad(u):
        return -0.5 * u**2 @ curvature, -wrong * curvature * u - (wrong - 1) * u
    return package.inference.target.Target(prior, lambda u: -0.5 * u**2 @ curvature, log_likelihood_and_grad)


# the distribution

def test_moments_of_a_bent_and_skewed_posterior(seed):
    draws = reference.inference.run_chains.sample(np.random.default_rng(seed), posteriors.target(reference),
                                                  1000, sampler=hmc, n_chains=40, thin=16)
    assert (draws.r_hat < 1.01).all() and draws.chains.n_divergent == 0
    gaps = posteriors.gaps(draws, reference)
    assert np.abs(gaps).max() < 4, gaps
    wider = posteriors.gaps(draws, reference, power=1 / 1.5)
    assert np.abs(wider).max() > 6, "the check cannot see a likelihood a fifth wider"


def test_dirichlet_posterior_of_counts(seed):
    """A flat prior on the simplex and counts (1, 4, 0, 12): the posterior is Dirichlet(2, 5, 1, 13)."""
    prior, counts = accel.priors.Dirichlet(np.ones(4)), np.array([1.0, 4.0, 0.0, 12.0])

    def log_likelihood_and_grad(u):
        theta, _ = prior.to_constrained(u)
        return np.log(theta) @ counts, prior.to_constrained_vjp(u, counts / theta)
    target = accel.inference.target.Target(prior, lambda u: log_likelihood_and_grad(u)[0],
                                           log_likelihood_and_grad)
    draws = accel.inference.run_chains.sample(np.random.default_rng(seed), target, 3000,
                                              sampler=accel.inference.hmc, n_chains=100)
    exact = stats.dirichlet(counts + 1)
    assert (draws.r_hat < 1.01).all() and draws.ess.min() > 3000
    assert np.abs((draws.theta.mean(axis=0) - exact.mean()) / np.sqrt(exact.var() / 3000)).max() < 4
    for k, column in enumerate(draws.theta.T):
        assert stats.kstest(column, stats.beta(counts[k] + 1, 20 - counts[k]).cdf).pvalue > 1e-3
        one_more = stats.beta(counts[k] + 2, 20 - counts[k])
        assert stats.kstest(column, one_more.cdf).pvalue < 1e-3, "the check cannot see a count"


def test_scales_that_differ_a_thousandfold_cost_nothing_after_the_warm_up(seed):
    std = np.array([1e-3, 0.03, 1.0])
    chains = accel.inference.hmc.sample(np.random.default_rng(seed), normal_target(accel, std),
                                        np.tile(std, (30, 1)), n_samples=300, n_warmup=200)
    z = chains.u / std
    ess = accel.validation.convergence.effective_sample_size(z)
    assert ess.min() > 5000 and 0.7 < chains.acceptance < 0.95
    assert np.abs(z.mean(axis=(0, 1)) * np.sqrt(ess)).max() < 4
    squares = accel.validation.convergence.effective_sample_size(z**2)
    assert np.abs((np.mean(z**2, axis=(0, 1)) - 1) * np.sqrt(squares / 2)).max() < 4


# the step, by hand

def in_place(package, rng, target, u, epsilon, variance, n_steps):
    """u after one iteration by the form that is used."""
    hmc, log_prob_and_grad = package.inference.hmc, target.log_prob_and_grad(u)
    at = hmc.Point(u.copy(), None, *(array.copy() for array in log_prob_and_grad))
    moved = hmc.step(rng, target, at, epsilon, variance, n_steps)
    return moved[0].u if package is reference else at.u


@BOTH
@pytest.mark.parametrize("n_steps", [1, 2, 9])
def test_the_form_used_is_the_literal_step(package, n_steps):
    """Bit for bit where nothing diverges; some chains accept and some do not."""
    target, variance = posteriors.target(reference), np.array([0.7, 1.9])
    u = np.random.default_rng(3).normal(0, 0.3, (200, 2))
    literal = hmc.literal_step(np.random.default_rng(4), target, u, 0.3, variance, n_steps)
    used = in_place(package, np.random.default_rng(4), posteriors.target(package), u, 0.3, variance, n_steps)
    stayed = (literal == u).all(axis=1)
    assert 0 < stayed.sum() < 200 and np.array_equal(stayed, (used == u).all(axis=1))
    if package is reference:
        np.testing.assert_array_equal(used, literal)
    else:
        np.testing.assert_allclose(used, literal, rtol=0, atol=1e-13)


def test_literal_leapfrog_is_a_half_a_whole_and_a_half_step():
    """With ∇log π = −4u³: from u = 1, p = 0.5, ε = 0.1, v = 2: p = 0.3, u = 1.06, p = 0.3 − 0.2 · 1.06³."""
    class Quartic:
        def log_prob_and_grad(self, u):
            return -np.sum(u**4, axis=1), -4 * u**3
    start = hmc.Point(np.array([[1.0]]), np.array([[0.5]]), np.array([-1.0]), np.array([[-4.0]]))
    end = hmc.leapfrog(Quartic(), start, 0.1, np.array([2.0]))
    np.testing.assert_allclose([end.u[0, 0], end.p[0, 0]], [1.06, 0.3 - 0.2 * 1.06**3], rtol=1e-14)
    np.testing.assert_allclose(hmc.hamiltonian(end, np.array([2.0])), 1.06**4 + end.p[0]**2, rtol=1e-14)


@BOTH
def test_a_trajectory_goes_back_where_it_came_from(package):
    module, target = package.inference.hmc, posteriors.target(package)
    rng = np.random.default_rng(0)
    u, p, variance = rng.normal(0, 0.3, (6, 2)), rng.standard_normal((6, 2)), np.array([0.7, 1.9])

    def travelled(u, p):
        end, acceptance, divergent = module.integrate(target,
                                                      module.Point(u, p, *target.log_prob_and_grad(u)), 0.05,
                                                      variance, 30)
        assert not divergent.any()
        return end.u, end.p, acceptance
    there, momentum, acceptance = travelled(u, p)
    assert np.abs(there - u).max() > 0.3 and acceptance.min() > 0.9
    back, momentum, _ = travelled(there, -momentum)
    np.testing.assert_allclose(back, u, atol=1e-12)
    np.testing.assert_allclose(momentum, -p, atol=1e-12)


@BOTH
def test_one_leapfrog_step_of_an_oscillator_by_hand(package):
    """log π = −½ u², v = 1, ε = 1, from (1, 0): p = −½, u = ½, p = −¾; H goes from ½ to 1/8 + 9/32 = 13/32:
    accepted."""
    module, target = package.inference.hmc, package.inference.target.Target(
        package.priors.Normal(0.0, 1.0), lambda u: 0 * u[:, 0], lambda u: (0 * u[:, 0], 0 * u))
    u, variance = np.array([[1.0]]), np.ones(1)
    start = module.Point(u, np.zeros((1, 1)), *target.log_prob_and_grad(u))
    end, acceptance, _ = module.integrate(target, start, 1.0, variance, 1)
    assert (end.u[0, 0], end.p[0, 0], acceptance[0]) == (0.5, -0.75, 1.0)
    np.testing.assert_allclose(module.hamiltonian(end, variance) - module.hamiltonian(start, variance),
                               [13 / 32 - 1 / 2], rtol=1e-14)
    _, acceptance, _ = module.integrate(target, end._replace(p=-end.p), 1.0, variance, 1)
    np.testing.assert_allclose(acceptance, [np.exp(-3 / 32)], rtol=1e-14)


def test_first_step_size_is_where_half_are_accepted():
    """For N(0, σ²) a step of ε = 2σ or more is unstable: the search ends within a factor of two below or at
    the crossing."""
    for std in (0.01, 0.9):
        target = normal_target(reference, [std] * 5)
        u = std * np.random.default_rng(1).standard_normal((200, 5))
        at = hmc.Point(u, None, *target.log_prob_and_grad(u))
        assert 0.5 * std < hmc.first_step_size(np.random.default_rng(2), target, at, np.ones(5)) < 3 * std


# what belongs to somebody else

class Slope:
    """log π = a·u inside a box; the gradient is one read-only array, handed out again and again, and every u
    is remembered."""

    def __init__(self, n):
        self.grad, self.seen = np.broadcast_to(np.array([0.3, -0.2]), (n, 2)), []

    def log_prob(self, u):
        return np.where((np.abs(u) < 1).all(axis=1), u @ self.grad[0], -np.inf)

    def log_prob_and_grad(self, u):
        self.seen.append((u, u.copy()))
        return self.log_prob(u), self.grad


@BOTH
def test_what_the_target_returns_or_keeps_is_left_alone(package):
    target, start = Slope(20), np.zeros((20, 2))
    chains = package.inference.hmc.sample(np.random.default_rng(0), target, start, n_samples=30, n_warmup=20)
    assert chains.n_divergent > 0 and (start == 0).all() and (target.grad == [0.3, -0.2]).all()
    assert all(np.array_equal(now, then) for now, then in target.seen)


# what must not pass in silence

@BOTH
@pytest.mark.parametrize("wrong", [-1.0, 0.5, 1.3, 0.0])
def test_a_wrong_gradient_is_refused(package, wrong):
    """Flipped, half, 1.3 times too large, none."""
    target = normal_target(package, [0.3, 0.5], wrong)
    with pytest.raises(ValueError,
                       match=r"target: expected the gradient of its log_prob, got one whose slope at "
                       r"start \d+ is"):
        package.inference.run_chains.sample(np.random.default_rng(0), target, 10,
                                            sampler=package.inference.hmc)


@BOTH
def test_a_gradient_with_respect_to_theta_is_refused(package):
    """Forgetting the way back from θ to u is the mistake that is made."""
    prior = package.priors.BoxUniform(posteriors.LOW, posteriors.HIGH)

    def forgetful(u):
        theta, _ = prior.to_constrained(u)
        return posteriors.log_likelihood(theta), posteriors.gradient(theta)
    target = package.inference.target.Target(prior, lambda u: forgetful(u)[0], forgetful)
    with pytest.raises(ValueError, match="target: expected the gradient of its log_prob"):
        package.inference.run_chains.sample(np.random.default_rng(0), target, 10,
                                            sampler=package.inference.hmc)


def test_a_gradient_that_is_a_little_wrong_leaves_the_distribution_right(seed):
    std = np.array([0.3, 0.5])
    draws = accel.inference.run_chains.sample(np.random.default_rng(seed), normal_target(accel, std, 0.95),
                                              2000, sampler=accel.inference.hmc)
    z = draws.chains.u / std
    ess = accel.validation.convergence.effective_sample_size(z**2)
    assert np.abs((np.mean(z**2, axis=(0, 1)) - 1) * np.sqrt(ess / 2)).max() < 4


@BOTH
def test_divergences_are_counted_and_reported(package):
    """Neal's funnel: where v is low its neck is too narrow for any step size that suits the mouth."""
    prior = package.priors.Normal(np.zeros(6), np.ones(6))

    def log_likelihood_and_grad(u):          # v = 5 u₀; the others ~ N(0, e^v), on top of the prior's N(0, 1)
        v, rest = 5 * u[:, 0], u[:, 1:]
        scaled = rest * np.exp(-v)[:, None]
        grad = np.concatenate((5 * (0.5 * np.sum(rest * scaled, axis=1) - 2.5)[:, None], -scaled + rest),
                              axis=1)
        return -0.5 * np.sum(rest * scaled, axis=1) - 2.5 * v + 0.5 * np.sum(rest**2, axis=1), grad
    target = package.inference.target.Target(prior, lambda u: log_likelihood_and_grad(u)[0],
                                             log_likelihood_and_grad)
    diverged = r"hmc: \d+ of \d+ trajectories diverged; part of the posterior may be missing"
    with pytest.warns(UserWarning, match="R-hat"), pytest.warns(UserWarning, match=diverged):
        with np.errstate(over="ignore", invalid="ignore"):
            draws = package.inference.run_chains.sample(np.random.default_rng(3), target, 50,
                                                        sampler=package.inference.hmc, n_chains=20,
                                                        n_warmup=40, n_least=50)
    assert draws.chains.n_divergent > 0


@BOTH
def test_a_gradient_that_stops_being_finite_stops_the_run_and_keeps_the_draws(package):
    good, calls = normal_target(package, [0.5, 0.5]), []

    def breaks(u):
        calls.append(1)
        value, slope = good.log_likelihood_and_grad(u)
        return value, slope * (np.nan if len(calls) > 1500 else 1.0)
    target = package.inference.target.Target(good.prior, good.log_likelihood, breaks)
    with pytest.raises(package.inference.chains.NonFiniteTargetError) as caught:
        package.inference.run_chains.sample(np.random.default_rng(4), target, 5000,
                                            sampler=package.inference.hmc, n_chains=8, n_warmup=20)
    error, at = caught.value, caught.value.iteration
    assert str(error).startswith("hmc: the target's log_prob or its gradient is NaN or +inf in 8 of the "
                                 f"chains at iteration {at}")
    assert error.theta.shape == (8 * (error.iteration - 21), 2)


@BOTH
def test_a_target_without_gradient_is_named(package):
    target = package.inference.target.Target(package.priors.Normal(0.0, 1.0), lambda u: 0 * u[:, 0])
    with pytest.raises(ValueError,
                       match="target: expected a log_likelihood_and_grad, which a sampler with gradients "
                       "needs, got None"):
        package.inference.run_chains.sample(np.random.default_rng(0), target, 10,
                                            sampler=package.inference.hmc)
