"""A Gaussian mixture as an object, against SciPy's densities and exact moments; files, copies, errors."""
import copy
import pickle

import numpy as np
import pytest

import accel
import reference

KINDS = {"full": "FULL", "diag": "DIAGONAL", "spherical": "SPHERICAL"}
WEIGHTS, MEANS = np.array([0.55, 0.3, 0.15]), np.array([[0.0, 0.0], [3.0, 1.0], [-1.0, 4.0]])
FULL = np.array([[[1.0, 0.6], [0.6, 0.8]], [[0.5, -0.3], [-0.3, 1.5]], [[0.3, 0.0], [0.0, 0.2]]])
DIAGONAL = np.diagonal(FULL, axis1=1, axis2=2)
COVARIANCES = {"full": FULL, "diag": DIAGONAL, "spherical": np.repeat(DIAGONAL[:, :1], 2, axis=1)}


def mixture(kind="full", package=reference):
    module = package.density.gmm
    covariance = getattr(module, KINDS[kind])
    return module.GaussianMixture(WEIGHTS, MEANS, COVARIANCES[kind].copy(), covariance, np.zeros(1), True)


def points(n, seed=0):
    return 3 * np.random.default_rng(seed).standard_normal((n, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_log_prob_is_scipys(kind):
    from scipy.stats import multivariate_normal
    x, known = np.concatenate((points(50), [[40.0, -30.0]])), mixture(kind)
    full = FULL if kind == "full" else [np.diag(v) for v in COVARIANCES[kind]]
    parts = np.array([np.log(w) + multivariate_normal(m, c).logpdf(x)
                      for w, m, c in zip(WEIGHTS, MEANS, full)])
    np.testing.assert_allclose(known.log_prob(x), np.logaddexp.reduce(parts), rtol=1e-12)
    np.testing.assert_allclose(known.responsibilities(x), np.exp(parts - np.logaddexp.reduce(parts)).T,
                               rtol=1e-9, atol=1e-300)
    assert np.isfinite(known.log_prob(1e6 * x)).all(), "where every density underflows"
    np.testing.assert_allclose(known.responsibilities(1e3 * x).sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_have_the_moments_of_the_mixture(kind):
    n = 40_000
    x = mixture(kind).sample(np.random.default_rng(1), n)
    full = FULL if kind == "full" else np.stack([np.diag(v) for v in COVARIANCES[kind]])
    mean = WEIGHTS @ MEANS
    second = np.einsum("k,kij->ij", WEIGHTS, full + MEANS[:, :, None] * MEANS[:, None, :])
    products = x[:, :, None] * x[:, None, :]

    def off(values, expected):
        return np.abs((values.mean(axis=0) - expected) / (values.std(axis=0) / np.sqrt(n))).max()
    assert off(x, mean) < 4 and off(products, second) < 4
    assert off(x, mean + 0.05) > 4 and off(products, 1.05 * second) > 4, "the control"
    share = (np.linalg.norm(x - MEANS[2], axis=1) < 1).mean()
    fourth = np.random.default_rng(7).multivariate_normal(MEANS[2], full[2], n)
    assert abs(share - WEIGHTS[2] * (np.linalg.norm(fourth - MEANS[2], axis=1) < 1).mean()) < 0.01


def test_bic_is_worked_out_by_hand():
    """Three components in two dimensions: 2 + 6 + 3 · (3, 2 or 1) free numbers."""
    x = points(100)
    for kind, free in (("full", 17), ("diag", 14), ("spherical", 11)):
        known = mixture(kind)
        assert known.bic(x) == pytest.approx(-2 * known.log_prob(x).sum() + free * np.log(100), rel=1e-12)


@pytest.mark.parametrize("package", [reference, accel])
class TestBoth:
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_file_of_one_loads_in_the_other(self, package, kind, tmp_path):
        known, other = mixture(kind, package), accel if package is reference else reference
        known.save(tmp_path / "gmm.npz")
        loaded = other.density.gmm.load(tmp_path / "gmm.npz")
        assert loaded.covariance is getattr(other.density.gmm, KINDS[kind]) and loaded.converged is True
        np.testing.assert_allclose(loaded.log_prob(points(9)), known.log_prob(points(9)), rtol=1e-12)

    @pytest.mark.parametrize("kind", KINDS)
    def test_copies_and_pickles_are_the_mixture(self, package, kind):
        known = mixture(kind, package)
        for other in (pickle.loads(pickle.dumps(known)), copy.deepcopy(known)):
            assert other.covariance is known.covariance
            np.testing.assert_array_equal(other.log_prob(points(9)), known.log_prob(points(9)))

    def test_bad_input_is_refused(self, package):
        known = mixture("full", package)
        for call in (known.log_prob, known.responsibilities, known.bic):
            with pytest.raises(ValueError, match="x: expected shape"):
                call(np.zeros((4, 3)))
        with pytest.raises(ValueError, match="n: expected a whole number"):
            known.sample(np.random.default_rng(0), -1)
