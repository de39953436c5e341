"""The Gaussian likelihood by SciPy, the lectures' form told apart from it, and posteriors that are known in
closed form or on a grid."""
import copy
import pickle

import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.inference import emcee_sampler, hmc, nested_sampler, slice_sampler, gaussian_likelihood
from reference.simulators import global_signal
from reference.validation import convergence

BOTH = pytest.mark.parametrize("package", [reference, accel])

# x = A θ + noise, with a normal prior: posterior and evidence are normal
DESIGN = np.array([[1.0, 0.2], [-0.4, 2.0], [0.7, 0.7], [0.1, -1.1]])
MEAN, STD = np.array([0.5, -1.0]), np.array([0.8, 1.5])
COVARIANCE = np.array([[0.5, 0.2, 0, 0], [0.2, 0.8, 0.1, 0], [0, 0.1, 0.3, -0.1], [0, 0, -0.1, 0.6]])
X = np.array([0.9, -3.0, 0.4, 1.7])


def linear(package, covariance=COVARIANCE):
    return package.inference.gaussian_likelihood.Posterior(package.priors.Normal(MEAN, STD),
                                                           lambda theta: theta @ DESIGN.T, covariance,
                                                           lambda theta, dm: dm @ DESIGN)


def exact(covariance=COVARIANCE):
    """Mean and covariance of the posterior, and the log-evidence."""
    precision = DESIGN.T @ np.linalg.solve(covariance, DESIGN) + np.diag(STD**-2)
    mean = np.linalg.solve(precision, DESIGN.T @ np.linalg.solve(covariance, X) + MEAN / STD**2)
    return (mean, np.linalg.inv(precision),
            stats.multivariate_normal(DESIGN @ MEAN, covariance + DESIGN * STD**2 @ DESIGN.T).logpdf(X))


def standard_errors(draws, mean, covariance):
    """Gaps of means, variances and the product from what is exact, in units of their errors: from all kept
    iterations."""
    n_chains, n, dim = draws.chains.u.shape
    theta = MEAN + STD * draws.chains.u - mean
    values = np.concatenate((theta, theta**2 - np.diag(covariance),
                             (theta[..., :1] * theta[..., 1:]) - covariance[0, 1]), axis=2)
    ess = convergence.effective_sample_size(values)
    return values.mean(axis=(0, 1)) / values.std(axis=(0, 1)) * np.sqrt(ess)


# the likelihood

@BOTH
@pytest.mark.parametrize("covariance", [COVARIANCE, np.diag(COVARIANCE)], ids=["matrix", "variances"])
def test_likelihood_is_scipys(package, covariance):
    theta = np.random.default_rng(0).normal(MEAN, STD, (9, 2))
    matrix = covariance if covariance.ndim == 2 else np.diag(covariance)
    expected = [stats.multivariate_normal(DESIGN @ row, matrix).logpdf(X) for row in theta]
    np.testing.assert_allclose(linear(package, covariance).log_likelihood(theta, X), expected, rtol=1e-12)
    prior = stats.norm(MEAN, STD).logpdf(theta).sum(axis=1)
    np.testing.assert_allclose(linear(package, covariance).log_prob(theta, X), expected + prior, rtol=1e-12)


def test_the_lectures_form_is_not_a_log_likelihood():
    """(x − m)ᵀ C⁻¹ (x − m), as S0 and S2 print it, is largest for the worst fit; with the minus alone it is
    √2 too narrow."""
    mean, _, _ = exact()
    near, far = mean + 0.1, mean + 3.0

    def printed(theta):
        return (X - DESIGN @ theta) @ np.linalg.solve(COVARIANCE, X - DESIGN @ theta)
    assert printed(far) > printed(near)
    ours = linear(reference).log_likelihood(np.stack((near, far)), X)
    assert ours[0] > ours[1]
    np.testing.assert_allclose(ours[0] - ours[1], (printed(far) - printed(near)) / 2, rtol=1e-12)


@BOTH
@pytest.mark.parametrize("covariance", [COVARIANCE, np.diag(COVARIANCE)], ids=["matrix", "variances"])
def test_gradient_is_that_of_central_differences(package, covariance):
    target, u = linear(package, covariance).target(X), np.random.default_rng(1).standard_normal((5, 2))
    h = 1e-4
    _, grad = target.log_prob_and_grad(u)
    for k in range(2):
        step = h * np.eye(2)[k]
        np.testing.assert_allclose(grad[:, k], (target.log_prob(u + step) - target.log_prob(u - step))
                                   / (2 * h), rtol=1e-6, atol=1e-6)


# posteriors that are known

@pytest.mark.filterwarnings("ignore:emcee_sampler. the chains have not mixed")
@pytest.mark.parametrize(("sampler", "n_least", "limit"),
                         [(slice_sampler, 400, 1.01), (hmc, 400, 1.01), (emcee_sampler, 1500, 1.05)],
                         ids=["slice", "hmc", "ensemble"])
def test_linear_model_by_every_sampler(sampler, n_least, limit, seed):
    mean, covariance, _ = exact()
    draws = linear(reference).draws(np.random.default_rng(seed), 1000, X, sampler=sampler, n_chains=20,
                                    thin=1, n_least=n_least)
    gaps = standard_errors(draws, mean, covariance)
    assert draws.r_hat.max() < limit and np.abs(gaps).max() < 4, gaps
    too_narrow = standard_errors(draws, mean, covariance / 2)
    assert np.abs(too_narrow).max() > 8, "the check cannot see a forgotten half"


def test_evidence_of_the_linear_model(seed):
    mean, covariance, log_evidence = exact()
    draws = nested_sampler.sample(np.random.default_rng(seed), linear(reference).target(X), 10, n_live=100)
    assert draws.log_evidence_error < 0.3
    assert abs(draws.log_evidence - log_evidence) < 4 * draws.log_evidence_error
    without_determinant = log_evidence + 0.5 * np.linalg.slogdet(2 * np.pi * COVARIANCE)[1]
    assert abs(draws.log_evidence - without_determinant) > 8 * draws.log_evidence_error
    by_slices = linear(reference).draws(np.random.default_rng(seed), 10, X, n_chains=4, n_warmup=50)
    assert np.isnan(by_slices.log_evidence)


@pytest.mark.parametrize("sampler", [pytest.param(slice_sampler, marks=pytest.mark.slow), hmc],
                         ids=["slice", "hmc"])
def test_21cm_posterior_is_the_grids(sampler, seed):
    truth = np.array([[0.24, 15.0, 7.0]])
    x = global_signal.simulate(np.random.default_rng(2), truth)[0]
    posterior = gaussian_likelihood.Posterior(global_signal.prior, global_signal.signal,
                                              np.full(100, 0.025**2), global_signal.signal_vjp)
    draws = posterior.draws(np.random.default_rng(seed), 1000, x, sampler=sampler, n_chains=20)
    assert draws.r_hat.max() < 1.01 and global_signal.prior.contains(draws.theta).all()
    grid = global_signal.exact_posterior_sample(np.random.default_rng(3), 200_000, x)
    theta = global_signal.prior.to_constrained(draws.chains.u.reshape(-1, 3))[0]

    def features(theta):
        scaled = (theta - grid.mean(axis=0)) / grid.std(axis=0)
        return np.concatenate((scaled, scaled**2, scaled[:, :1] * scaled[:, 1:],
                               scaled[:, 1:2] * scaled[:, 2:], scaled**3), axis=1)
    values, expected = features(theta), features(grid)
    ess = convergence.effective_sample_size(values.reshape(20, -1, values.shape[1]))
    error = np.sqrt(values.var(axis=0) / ess + expected.var(axis=0) / len(expected))
    gaps = (values.mean(axis=0) - expected.mean(axis=0)) / error
    assert np.abs(gaps).max() < 4, gaps
    biased = (values.mean(axis=0) - features(grid + 0.1 * grid.std(axis=0)).mean(axis=0)) / error
    assert np.abs(biased).max() > 5, "the check cannot see a tenth of a standard deviation"


@pytest.mark.slow
def test_21cm_evidence_is_the_grids(seed):
    x = global_signal.simulate(np.random.default_rng(2), np.array([[0.155, 13.0, 9.0]]))[0]
    posterior = gaussian_likelihood.Posterior(global_signal.prior, global_signal.signal,
                                              np.full(100, 0.025**2))
    draws = posterior.draws(np.random.default_rng(seed), 100, x, sampler=nested_sampler)
    volume = np.prod(global_signal.prior.high - global_signal.prior.low)
    expected = global_signal.posterior_grid(x, 0.025).log_integral - np.log(volume)
    assert abs(draws.log_evidence - expected) < 4 * draws.log_evidence_error < 1.0


@BOTH
def test_several_observations_come_one_after_another(package):
    theta = linear(package).sample(np.random.default_rng(4), 50, np.stack((X, X + 5)), n_chains=20,
                                   n_warmup=50)
    assert theta.shape == (2, 50, 2) and np.abs(theta[0].mean(axis=0) - theta[1].mean(axis=0)).max() > 1


# what belongs to whom

@BOTH
def test_neither_posterior_nor_target_changes_with_the_callers_arrays(package):
    covariance, x, u = COVARIANCE.copy(), X.copy(), np.random.default_rng(5).standard_normal((3, 2))
    posterior = linear(package, covariance)
    target, want = posterior.target(x), linear(package).target(X).log_prob_and_grad(u)
    covariance *= 2
    x += 1
    for got, expected in zip(target.log_prob_and_grad(u), want):
        np.testing.assert_array_equal(got, expected)
    with pytest.raises(ValueError, match="read-only"):
        posterior.covariance[0, 0] = 1.0


def model(theta):
    return theta @ DESIGN.T


def model_vjp(theta, dm):
    return dm @ DESIGN


@BOTH
@pytest.mark.parametrize("through", [lambda thing: pickle.loads(pickle.dumps(thing)), copy.deepcopy],
                         ids=["pickle", "deepcopy"])
def test_posterior_and_target_can_be_sent_to_another_process(package, through):
    posterior = package.inference.gaussian_likelihood.Posterior(package.priors.Normal(MEAN, STD), model,
                                                                COVARIANCE, model_vjp)
    u, again = np.random.default_rng(6).standard_normal((3, 2)), through(posterior)
    assert not again.covariance.flags.writeable
    for target in (again.target(X), through(posterior.target(X))):
        for got, expected in zip(target.log_prob_and_grad(u), posterior.target(X).log_prob_and_grad(u)):
            np.testing.assert_array_equal(got, expected)


# bad input

@BOTH
def test_a_covariance_that_is_none_is_refused(package):
    with pytest.raises(ValueError, match="covariance: expected a positive definite matrix"):
        linear(package, np.diag([1.0, -1.0, 1.0, 1.0]))


@BOTH
@pytest.mark.parametrize(("call", "message"), [
    (lambda p, m, rng: p.draws(rng, 5, X[:3]), r"x: expected shape \(4,\), got \(3,\)"),
    (lambda p, m, rng: p.draws(rng, 5, X * np.nan), "x: expected finite"),
    (lambda p, m, rng: p.draws(rng, 0, X), "n: expected a whole number"),
    (lambda p, m, rng: type(p)(p.prior, p.model, p.covariance).draws(rng, 5, X, sampler=m.hmc),
     r"model_vjp: expected a function \(theta, dm\) → dtheta, which hmc needs, got None"),
    (lambda p, m, rng: type(p)(p.prior, lambda theta: theta, p.covariance).draws(rng, 5, X),
     r"model\(theta\): expected shape \(10000, 4\), got \(10000, 2\)"),
])
def test_bad_input_is_named(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(linear(package), package.inference, np.random.default_rng(0))
