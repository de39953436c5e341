"""The distance from the simulations: against SciPy's Mahalanobis distance, the chi-squared law, and what it
says that it cannot see."""
import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import mahalanobis

import accel
import reference
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def correlated(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 3)) @ np.array([[2.0, 0.3, 0.0], [0.0, 0.5, 9.0], [0.0, 0.0, 4.0]]) + [
        1.0, -50.0, 0.0]


@BOTH
def test_it_is_the_mahalanobis_distance_over_its_quantile(package):
    f, far = correlated(4000), np.array([[1.0, -49.0, 30.0], [9.0, -50.0, 0.0]])
    inverse = np.linalg.inv(np.cov(f.T, bias=True))
    d = [np.array([mahalanobis(row, f.mean(axis=0), inverse) for row in rows]) for rows in (f, far)]
    expected = d[1] / np.quantile(d[0], 0.999)
    found = package.preprocessing.training_domain.fit_training_domain(f).distance(far)
    assert np.abs(found / expected - 1).max() < 1e-5                 # the ridge of a millionth


@BOTH
def test_one_in_a_thousand_is_beyond_it(package):
    domain = package.preprocessing.training_domain.fit_training_domain(correlated(200_000))
    beyond = np.mean(domain.distance(correlated(200_000, seed=1)) > 1)
    assert abs(beyond - 0.001) < 5 * np.sqrt(2 * 0.001 / 200_000)
    tenth = np.sqrt(stats.chi2(3).ppf(0.9) / stats.chi2(3).ppf(0.999))  # d² of normal features is chi-squared
    assert abs(np.mean(domain.distance(correlated(200_000, seed=2)) > tenth) - 0.1) < 0.005


@BOTH
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_columns_that_say_nothing_new_do_no_harm(package, dtype):
    f = correlated(500)
    f = np.column_stack((f, f[:, 0], np.full(500, 3.0))).astype(dtype)
    domain = package.preprocessing.training_domain.fit_training_domain(f)
    assert domain.factor.dtype == dtype
    assert 0 < np.mean(domain.distance(f) > 1) < 0.01
    off = f[:1] + np.array([[0, 0, 0, 0, 1]], dtype)                  # what never varied does
    assert domain.distance(off)[0] > 10
    alone = package.preprocessing.training_domain.fit_training_domain(np.ones((30, 2), dtype))
    assert_close(alone.distance(np.ones((2, 2), dtype)), np.zeros(2))


@BOTH
def test_a_posterior_knows_its_simulations(package, tmp_path):
    """Data of a kind that no simulation had, in the plane of the principal components and off it, are far;
    others are not."""
    npe, rng = package.inference.npe, np.random.default_rng(0)
    mix = np.random.default_rng(1).standard_normal((2, 8))
    theta = rng.standard_normal((600, 2))
    x = theta @ mix + 0.1 * rng.standard_normal((600, 8))
    posterior = npe.fit(package.priors.Normal([0.0, 0.0], [1.0, 1.0]), theta, x, rng=rng, n_components=2,
                        n_transforms=1, hidden=(4,),
                        max_epochs=1)
    off = np.linalg.svd(mix)[2][-1]                                   # a direction that no component sees
    assert np.mean(posterior.distance(x) > 1) <= 0.002
    assert posterior.distance(x[0] + 2 * off)[0] > 1.5 and posterior.distance(x[0] * 9)[0] > 1.5
    posterior.save(tmp_path / "posterior.npz")
    assert np.array_equal(npe.load(tmp_path / "posterior.npz").distance(x), posterior.distance(x))
    older = package.inference.description.describe(posterior)
    del older["training_domain"]
    package.runtime.persistence.save(tmp_path / "older.npz", "npe", older)
    with pytest.raises(ValueError, match="training_domain: expected a TrainingDomain, got none"):
        npe.load(tmp_path / "older.npz").distance(x)
