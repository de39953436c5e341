"""A trained ratio: its normalisation, its candidates and draws, its gradient, and files that serve both
packages."""
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import accel
import reference
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
SMALL = {"hidden": (16, 16), "n_contrastive": 2, "max_epochs": 6, "batch_size": 100}


def gaussian(package, n, seed=0):
    """θ ~ N(0, 1)², x = 1000 + 40 (θ + ½ noise): the posterior is N(0.8 y, 0.2), y = (x − 1000)/40. The units
    are no one's friends."""
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal((n, 2))
    x = 1000 + 40 * (theta + 0.5 * rng.standard_normal((n, 2)))
    return package.priors.Normal([0.0, 0.0], [1.0, 1.0]), theta, x


def square(package, n, seed=0):
    """θ ~ U(−1, 1), x = θ² + 0.1 noise: two modes, about which a linear regression knows nothing."""
    rng = np.random.default_rng(seed)
    theta = rng.uniform(-1, 1, (n, 1))
    return package.priors.BoxUniform([-1.0], [1.0]), theta, theta**2 + 0.1 * rng.standard_normal((n, 1))


def square_log_ratio(theta, x):
    """log p(x|θ) − log ∫ p(x|θ) p(θ) dθ, by quadrature."""
    grid = np.linspace(-1, 1, 2001)
    evidence = np.trapezoid(stats.norm.pdf(x, grid**2, 0.1), grid, axis=1) / 2
    return stats.norm.logpdf(x[:, 0], theta[:, 0]**2, 0.1) - np.log(evidence)


@pytest.fixture(scope="module", params=[reference, accel], ids=["reference", "accel"])
def of_square(request):
    """A package and its posterior of `square`."""
    prior, theta, x = square(request.param, 4000)
    return request.param, request.param.inference.nre.fit(prior, theta, x, rng=np.random.default_rng(1),
                                                          **SMALL | {"max_epochs": 25})


def test_the_network_learns_what_the_regression_does_not_know(of_square):
    """In nats of mean log r over matched pairs, that is, of the mean log posterior."""
    package, posterior = of_square
    prior, theta, x = square(package, 3000, seed=5)
    exact, ratio = square_log_ratio(theta, x), package.inference.ratio
    u, baseline = prior.to_unconstrained(theta)[0], {"prior": prior, "regression": posterior.regression}
    linear = ratio.linear_log_ratio(u, posterior.context(x), **baseline)
    assert abs(np.mean(exact - posterior.log_ratio(theta, x))) < 0.1 and np.mean(exact - linear) > 0.5
    drawn = posterior.sample(np.random.default_rng(2), 4000, np.array([0.5]), n_candidates=20_000)
    assert 0.45 < (drawn > 0).mean() < 0.55 and abs(np.abs(drawn).mean() - 0.7) < 0.03


def test_normalisation_is_the_check_that_it_claims_to_be(of_square):
    """∫ r p(θ) dθ = 1 for the trained ratio; e for one that is too large by a nat, which no draw would
    show."""
    package, posterior = of_square
    layers = [layer.copy() for layer in posterior.params["layers"]]
    layers[-1][0, 0] += 1
    for shift, one in ((0.0, posterior), (1.0, replace(posterior, params={"layers": layers}))):
        weighted = one.candidates(np.random.default_rng(3), 20_000, np.array([0.5]))
        assert abs(weighted.log_mean_weight - shift) < 0.15


@BOTH
def test_weights_are_bounded_and_few_of_them_are_told(package):
    prior, theta, x = gaussian(package, 400)
    posterior = package.inference.nre.fit(prior, theta, x, rng=np.random.default_rng(1), **SMALL)
    weighted = posterior.candidates(np.random.default_rng(2), 2001, x[0])
    assert weighted.theta.shape == (2001, 2)
    assert (weighted.log_weight <= posterior.log_ratio(weighted.theta, x[0]) + np.log(2)).all()
    assert weighted.effective_size > 800                              # of prior draws alone, 340
    with pytest.warns(UserWarning,
                      match="n: expected at most the effective size of the candidates, .* of 100, got 500"):
        posterior.sample(np.random.default_rng(2), 500, x[0], n_candidates=100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        posterior.sample(np.random.default_rng(2), 500, x[0], n_candidates=2000)


@BOTH
def test_no_sample_is_outside_the_prior_whatever_the_observation(package):
    prior, theta, x = square(package, 400)
    for dtype in (np.float64, np.float32)[:1 + (package is accel)]:
        posterior = package.inference.nre.fit(prior, theta.astype(dtype), x.astype(dtype),
                                              rng=np.random.default_rng(1), **SMALL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn = posterior.sample(np.random.default_rng(2), 500,
                                     np.array([[0.1], [40.0], [-1e6], [1e12]], dtype), n_candidates=5000)
        assert drawn.shape == (4, 500, 1) and drawn.dtype == dtype and (np.abs(drawn) < 1).all()
    outside = posterior.log_prob(np.array([[1.1], [-1.0], [np.nan]], dtype), np.array([0.3], dtype))
    assert np.array_equal(outside, [-np.inf] * 3)


@BOTH
def test_targets_gradient_is_that_of_differences(package):
    rng = np.random.default_rng(0)
    prior = package.priors.Dirichlet([2.0, 1.0, 3.0])                    # its density in u is not normal
    theta = prior.sample(rng, 300)
    posterior = package.inference.nre.fit(prior, theta, theta[:, :2] + 0.1 * rng.standard_normal((300, 2)),
                                          rng=rng, **SMALL)
    target, u = posterior.target(np.array([0.3, 0.2])), rng.standard_normal((7, 2))
    value, slope = target.log_likelihood_and_grad(u)
    assert_close(value, posterior.log_ratio(prior.to_constrained(u)[0], np.array([0.3, 0.2])), terms=1000)
    for d in range(2):
        step = 1e-5 * np.eye(2)[d]
        expected = (target.log_likelihood(u + step) - target.log_likelihood(u - step)) / 2e-5
        assert np.allclose(slope[:, d], expected, rtol=1e-6, atol=1e-7)


def test_a_file_serves_both_packages(tmp_path):
    prior, theta, x = gaussian(reference, 200)
    posterior = reference.inference.nre.fit(prior, theta, x, rng=np.random.default_rng(1), n_components=2,
                                            **SMALL)
    posterior.save(tmp_path / "posterior.npz")
    other = accel.inference.nre.load(tmp_path / "posterior.npz")
    assert_close(other.log_ratio(theta, x), posterior.log_ratio(theta, x), terms=1000)
    other.save(tmp_path / "again.npz")
    back = reference.inference.nre.load(tmp_path / "again.npz")
    assert np.array_equal(back.log_ratio(theta, x), posterior.log_ratio(theta, x))
    with pytest.raises(ValueError, match="expected a saved 'npe', got a saved 'nre'"):
        accel.inference.npe.load(tmp_path / "posterior.npz")
