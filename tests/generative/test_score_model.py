"""A fitted score against a Gaussian's, which a silent network leaves; its samples, files and copies."""
import copy
import pickle

import numpy as np
import pytest

import accel
import reference

MEAN, ROOT = np.array([1.0, -2.0, 0.5]), np.array([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [-0.3, 0.4, 0.2]])


def normal(n, seed=0):
    """Standard deviations from 0.2 to 1.1, correlated."""
    return np.random.default_rng(seed).multivariate_normal(MEAN, ROOT @ ROOT.T, n)


def gaussian(package, x):
    """A model of x whose network is silent."""
    settings = {"hidden": (4,), "max_epochs": 1, "learning_rate": 1e-300}
    model = package.generative.score_matching.fit(x, rng=np.random.default_rng(0), **settings)
    assert np.abs(model.params["layers"][-1]).max() < 1e-200
    return model


@pytest.mark.parametrize("package", [reference, accel])
class TestBoth:
    def test_silent_network_leaves_the_gaussian_of_the_data(self, package):
        x = normal(500)
        model, at = gaussian(package, x), normal(20, seed=1)
        for sigma in (0.03, 2.0):
            expected = -np.linalg.solve(np.cov(x.T) + sigma**2 * np.eye(3), (at - x.mean(axis=0)).T).T
            np.testing.assert_allclose(model.score(at, sigma), expected, rtol=1e-9)
            np.testing.assert_allclose(model.score(at, np.full(20, sigma)), expected, rtol=1e-9)

    def test_samples_of_a_gaussian(self, package):
        """The levels leave a little of their own width, a few per cent of the variance."""
        x = normal(2000)
        found = gaussian(package, x).sample(np.random.default_rng(3), 2000)
        assert found.shape == (2000, 3)
        assert np.abs((found.mean(axis=0) - x.mean(axis=0)) / (x.std(axis=0) / np.sqrt(2000))).max() < 5
        ratio = found.var(axis=0) / x.var(axis=0)
        assert ratio.min() > 0.9 and ratio.max() < 1.2
        assert np.abs(np.corrcoef(found.T) - np.corrcoef(x.T)).max() < 0.05

    def test_a_column_that_does_not_vary_stays_where_it_is(self, package):
        x = np.concatenate((normal(300), np.full((300, 1), 7.0)), axis=1)
        fit = package.generative.score_matching.fit
        model = fit(x, rng=np.random.default_rng(0), hidden=(8,), max_epochs=3)
        found = model.sample(np.random.default_rng(1), 50, n_steps=20)
        assert np.abs(found[:, 3] - 7.0).max() < 5 * model.sigmas[-1] and np.isfinite(found).all()

    def test_a_file_of_one_loads_in_the_other(self, package, tmp_path):
        other = accel if package is reference else reference
        fit = package.generative.score_matching.fit
        model = fit(normal(200), rng=np.random.default_rng(0), hidden=(8,), max_epochs=3)
        model.save(tmp_path / "score.npz")
        loaded = other.generative.score_matching.load(tmp_path / "score.npz")
        np.testing.assert_allclose(loaded.score(normal(9), 0.5), model.score(normal(9), 0.5), rtol=1e-12)
        assert loaded.history == model.history and np.array_equal(loaded.sigmas, model.sigmas)
        with pytest.raises(TypeError, match="frozen"):
            loaded.params["layers"] = []

    def test_copies_and_pickles_have_the_same_score(self, package):
        model = gaussian(package, normal(50))
        for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
            np.testing.assert_array_equal(other.score(normal(9), 0.5), model.score(normal(9), 0.5))
