"""The score of a Gaussian mixture against central differences of SciPy's density, autograd, and samples of
the noisy mixture."""
import autograd.numpy as anp
import numpy as np
import pytest
from autograd import elementwise_grad

import accel
import reference
from reference.density import gmm, mixture_score

WEIGHTS, MEANS = np.array([0.55, 0.3, 0.15]), np.array([[0.0, 0.0], [3.0, 1.0], [-1.0, 4.0]])
COVARIANCES = np.array([[[1.0, 0.6], [0.6, 0.8]], [[0.5, -0.3], [-0.3, 1.5]], [[0.3, 0.0], [0.0, 0.2]]])
KINDS = {"full": (gmm.FULL, COVARIANCES),
         "diagonal": (gmm.DIAGONAL, np.diagonal(COVARIANCES, axis1=1, axis2=2)),
         "spherical": (gmm.SPHERICAL, np.array([[1.0, 1.0], [0.5, 0.5], [0.2, 0.2]]))}


def mixture_of(kind):
    covariance, values = KINDS[kind]
    return gmm.GaussianMixture(WEIGHTS, MEANS, values.copy(), covariance, np.zeros(1), True)


def matrices(kind):
    values = KINDS[kind][1]
    return values if values.ndim == 3 else np.stack([np.diag(v) for v in values])


@pytest.mark.parametrize("sigma", [0.0, 0.4, 3.0])
@pytest.mark.parametrize("kind", KINDS)
def test_is_the_central_difference_of_scipys_density(kind, sigma):
    from scipy.stats import multivariate_normal

    def log_prob(x):
        parts = [np.log(w) + multivariate_normal(m, c + sigma**2 * np.eye(2)).logpdf(x)
                 for w, m, c in zip(WEIGHTS, MEANS, matrices(kind))]
        return np.logaddexp.reduce(parts)

    x, h = 2 * np.random.default_rng(0).standard_normal((40, 2)), 1e-5
    expected = np.stack([(log_prob(x + h * e) - log_prob(x - h * e)) / (2 * h) for e in np.eye(2)], axis=1)
    np.testing.assert_allclose(mixture_score.score(mixture_of(kind), x, sigma), expected, rtol=1e-6,
                               atol=1e-6)


def test_is_autograds_gradient():
    def log_prob(x):
        parts = [anp.log(w) + 0.5 * np.linalg.slogdet(p)[1] - 0.5 * anp.sum((x - m) @ p * (x - m), axis=1)
                 for w, m, p in zip(WEIGHTS, MEANS, np.linalg.inv(COVARIANCES + 0.25 * np.eye(2)))]
        return anp.log(sum(anp.exp(part) for part in parts))

    x = 2 * np.random.default_rng(1).standard_normal((40, 2))
    np.testing.assert_allclose(mixture_score.score(mixture_of("full"), x, 0.5), elementwise_grad(log_prob)(x),
                               rtol=1e-10, atol=1e-12)


def test_smoothed_is_what_noisy_samples_have():
    """Mean log-density of x + σε under the smoothed mixture is −entropy; under the one that was not smoothed
    it is lower."""
    rng, n, sigma = np.random.default_rng(2), 40_000, 0.8
    mixture = mixture_of("full")
    x = mixture.sample(rng, n) + sigma * rng.standard_normal((n, 2))
    fresh = mixture_score.smoothed(mixture, sigma)
    gap = fresh.log_prob(x) - fresh.log_prob(fresh.sample(rng, n))
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(n)
    gap = mixture.log_prob(x) - fresh.log_prob(fresh.sample(rng, n))
    assert abs(gap.mean()) > 4 * gap.std() / np.sqrt(n), "the control"


def test_has_mean_zero_under_its_own_density():
    rng, n, mixture = np.random.default_rng(3), 40_000, mixture_of("full")
    noisy = mixture_score.smoothed(mixture, 0.5).sample(rng, n)

    def off(values):
        return np.abs(values.mean(axis=0) / (values.std(axis=0) / np.sqrt(n))).max()
    assert off(mixture_score.score(mixture, noisy, 0.5)) < 4
    assert off(mixture_score.score(mixture, noisy + 0.05, 0.5)) > 4, "the control"


@pytest.mark.parametrize("package", [reference, accel])
def test_far_away_it_is_the_pull_of_the_widest_component(package):
    far = np.array([[1e4, 0.0]])
    found = package.density.mixture_score.score(mixture_of("spherical"), far)
    np.testing.assert_allclose(found, MEANS[:1] - far, rtol=1e-12)


@pytest.mark.parametrize("package", [reference, accel])
@pytest.mark.parametrize("sigma", [-1.0, np.inf, np.nan])
def test_bad_noise_is_refused(package, sigma):
    with pytest.raises(ValueError, match="sigma: expected a positive finite number"):
        package.density.mixture_score.score(mixture_of("full"), np.zeros((3, 2)), sigma)
