"""The density of a standard normal u, and the points of the unit cube, against SciPy."""
import numpy as np
from scipy import stats

from tests.support.priors import BOTH


@BOTH
def test_density_is_scipys(package):
    u = np.random.default_rng(0).normal(0, 3, (50, 4))
    ours = package.priors.standard_normal.log_standard_normal(u)
    np.testing.assert_allclose(ours, stats.norm.logpdf(u).sum(axis=1), rtol=1e-13)


@BOTH
def test_any_map_to_a_standard_normal_makes_a_prior(package):
    """θ = sinh u, which is none of the library's priors: its quantiles are those of u, carried over."""
    class Sinh(package.priors.standard_normal.Standardised):
        dim = unconstrained_dim = 1

        def contains(self, theta):
            return np.isfinite(theta).all(axis=1)

        def to_unconstrained(self, theta):
            return np.arcsinh(theta), -0.5 * np.log1p(theta**2)[:, 0]

        def to_constrained(self, u):
            return np.sinh(u), np.log(np.cosh(u))[:, 0]
    v = np.array([[0.0], [1e-3], [0.5], [0.9], [1.0]])
    theta = Sinh().from_uniform(v)
    np.testing.assert_allclose(theta[1:4], np.sinh(stats.norm.ppf(v[1:4])), rtol=1e-12, atol=1e-15)
    assert np.isfinite(theta).all()
    np.testing.assert_allclose(Sinh().to_uniform(theta)[1:4], v[1:4], rtol=1e-12)
