"""A trained posterior: draws and densities within the prior, and files that serve both packages."""
import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
SMALL = {"n_transforms": 2, "hidden": (12, 12), "max_epochs": 6}


def box(package, n, seed=0):
    """θ uniform in a box, x = θ + wide noise: the posterior is a normal cut off at the bounds."""
    rng = np.random.default_rng(seed)
    theta = rng.uniform([-1.0, 2.0], [1.0, 5.0], (n, 2))
    return package.priors.BoxUniform([-1.0, 2.0], [1.0, 5.0]), theta, theta + rng.standard_normal((n, 2))


@BOTH
def test_no_sample_is_outside_the_prior_whatever_the_observation(package):
    prior, theta, x = box(package, 400)
    for dtype in (np.float64, np.float32)[:1 + (package is accel)]:
        posterior = package.inference.npe.fit(prior, theta.astype(dtype), x.astype(dtype),
                                              rng=np.random.default_rng(1), **SMALL)
        far = np.array([[0.0, 3.0], [40.0, -40.0], [1e6, 1e6], [-1e12, 0.0]], dtype)
        drawn = posterior.sample(np.random.default_rng(2), 5000, far)
        assert drawn.shape == (4, 5000, 2) and drawn.dtype == dtype and np.isfinite(drawn).all()
        assert (drawn > np.array([-1.0, 2.0])).all() and (drawn < np.array([1.0, 5.0])).all()


@BOTH
def test_the_density_is_the_flows_times_the_jacobian_of_the_map(package):
    """(7), with log|det ∂v/∂θ| from central differences."""
    prior, theta, x = box(package, 400)
    posterior = package.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1), **SMALL)
    theta, x, step = theta[:5], x[:5], 1e-6

    def v(theta):
        return posterior.whitening.whiten(prior.to_unconstrained(theta)[0], posterior.context(x))
    columns = [(v(theta + e) - v(theta - e)) / (2 * step) for e in step * np.eye(2)]
    log_det = np.linalg.slogdet(np.stack(columns, axis=2))[1]
    log_q = posterior.density.log_prob(posterior.params["flow"], v(theta), posterior.context(x))
    assert np.abs(posterior.log_prob(theta, x) - log_q - log_det).max() < 1e-6


@BOTH
def test_density_is_normalised_over_the_prior_and_zero_outside(package):
    prior, theta, x = box(package, 400)
    posterior = package.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1), **SMALL)
    edges = [np.linspace(low, high, 401) for low, high in ((-1, 1), (2, 5))]
    grid = np.stack(np.meshgrid(*((e[1:] + e[:-1]) / 2 for e in edges), indexing="ij"), axis=-1).reshape(-1,
                                                                                                         2)
    mass = np.exp(posterior.log_prob(grid, np.array([0.3, 2.5]))).sum() * (2 / 400) * (3 / 400)
    assert abs(mass - 1) < 2e-3
    outside = posterior.log_prob(np.array([[0.0, 5.1], [-1.0, 3.0], [np.nan, 3.0]]), np.array([0.3, 2.5]))
    assert np.array_equal(outside, [-np.inf] * 3)


def test_a_file_serves_both_packages(tmp_path):
    prior, theta, x = box(reference, 200)
    posterior = reference.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1), embedding=(5, 3),
                                            n_components=2, **SMALL)
    posterior.save(tmp_path / "posterior.npz")
    other = accel.inference.npe.load(tmp_path / "posterior.npz")
    assert_close(other.log_prob(theta, x), posterior.log_prob(theta, x), terms=1000)
    other.save(tmp_path / "again.npz")
    back = reference.inference.npe.load(tmp_path / "again.npz")
    assert np.array_equal(back.log_prob(theta, x), posterior.log_prob(theta, x))


def test_kind_of_file_is_checked(tmp_path):
    accel.representation.pca.fit(np.random.default_rng(0).standard_normal((9, 3)),
                                 n_components=2).save(tmp_path / "pca.npz")
    with pytest.raises(ValueError, match="expected a saved 'npe', got a saved 'pca'"):
        accel.inference.npe.load(tmp_path / "pca.npz")
