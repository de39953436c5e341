"""EM against its literal form, scikit-learn from the same start, SciPy's normal, and hand-worked points."""
import warnings

import numpy as np
import pytest

import accel
import reference
from reference.density import gmm
from tests.agreement.comparator import assert_close

KINDS = {"full": gmm.FULL, "diag": gmm.DIAGONAL, "spherical": gmm.SPHERICAL}
WEIGHTS, MEANS = np.array([0.55, 0.3, 0.15]), np.array([[0.0, 0.0], [3.0, 1.0], [-1.0, 4.0]])
COVARIANCES = np.array([[[1.0, 0.6], [0.6, 0.8]], [[0.5, -0.3], [-0.3, 1.5]], [[0.3, 0.0], [0.0, 0.2]]])
STARTS = np.array([[-2.0, -1.0], [1.0, 0.5], [1.0, 3.0]])             # far from the truth


def data(n=600, seed=0):
    """Three overlapping groups, drawn by NumPy's own normal."""
    rng = np.random.default_rng(seed)
    which = rng.choice(3, n, p=WEIGHTS)
    return np.array([rng.multivariate_normal(MEANS[k], COVARIANCES[k]) for k in which])


def steps(n, x, package=reference, **settings):
    """EM stopped after n steps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = {"n_components": 3, "tolerance": 0, "max_iterations": n} | settings
        return package.density.gmm.fit(x, **settings)


def oracle(x, kind, r, floor, n_steps=10):
    """scikit-learn's mixture after as many steps from the same responsibilities; its start is NumPy's
    weighted covariance."""
    from sklearn.mixture import GaussianMixture
    means = np.stack([np.average(x, axis=0, weights=r_k) for r_k in r.T])
    full = np.stack([np.cov(x.T, aweights=r_k, bias=True) for r_k in r.T])
    diagonal = np.diagonal(full, axis1=1, axis2=2)
    precisions = {"full": np.linalg.inv(full + floor * np.eye(2)), "diag": 1 / (diagonal + floor),
                  "spherical": 1 / (diagonal.mean(axis=1) + floor)}[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GaussianMixture(3, covariance_type=kind, tol=0, reg_covar=floor, max_iter=n_steps,
                               weights_init=r.mean(axis=0),
                               means_init=means, precisions_init=precisions).fit(x)


def nearest(x, means):
    from scipy.spatial.distance import cdist
    return np.eye(len(means))[cdist(x, means).argmin(axis=1)]


def soft(x):
    r = np.random.default_rng(3).dirichlet((1, 1, 1), len(x))
    return 0.5 * r + 0.5 * nearest(x, STARTS)


@pytest.mark.parametrize("floor", [0.0, 1e-6, 0.01])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", ["means", "responsibilities"])
def test_equals_scikit_learn_from_the_same_start(kind, floor, start):
    x = data()
    r = nearest(x, STARTS) if start == "means" else soft(x)
    expected = oracle(x, kind, r, floor)
    found = steps(10, x, covariance=KINDS[kind], floor=floor,
                  **({"means": STARTS} if start == "means" else {"responsibilities": r}))
    assert len(found.log_likelihood) == 11
    close = {"rtol": 1e-8, "atol": 1e-8}
    np.testing.assert_allclose(found.log_likelihood[-1], expected.score(x) * len(x), **close)
    np.testing.assert_allclose(found.log_likelihood[-2], expected.lower_bound_ * len(x), **close)
    np.testing.assert_allclose(found.weights, expected.weights_, **close)
    np.testing.assert_allclose(found.means, expected.means_, **close)
    covariances = expected.covariances_
    if kind == "spherical":
        covariances = np.repeat(covariances[:, None], 2, axis=1)
    np.testing.assert_allclose(found.covariances, covariances, **close)
    np.testing.assert_allclose(found.responsibilities(x), expected.predict_proba(x), **close)
    np.testing.assert_allclose(found.bic(x), expected.bic(x), **close)
    other = oracle(x, kind, r, floor, n_steps=9)
    assert np.abs(other.means_ - found.means).max() > 1e-6, "the comparison must see one step fewer"


@pytest.mark.parametrize("package", [reference, accel])
@pytest.mark.parametrize("floor", [0.0, 0.01])
def test_is_the_literal_algorithm(package, floor):
    """From soft responsibilities; both forms start with an M step."""
    x = data(200)
    *found, history = gmm.em_literal(x, soft(x), n_iterations=6, floor=floor)
    fitted = steps(5, x, package, responsibilities=soft(x), floor=floor)
    for name, literal in zip(("weights", "means", "covariances", "log_likelihood"), (*found, history)):
        assert_close(getattr(fitted, name), literal, terms=2000, what=name)
    later = steps(6, x, package, responsibilities=soft(x), floor=floor)
    assert np.abs(later.means - fitted.means).max() > 1e-6, "the comparison must tell one step more"


@pytest.mark.parametrize("kind", KINDS)
def test_log_likelihood_never_decreases_and_is_that_of_the_parameters(kind):
    from scipy.stats import multivariate_normal
    for seed in range(5):
        x = data(150, seed)
        found = gmm.fit(x, n_components=4, covariance=KINDS[kind], rng=np.random.default_rng(seed),
                        floor=1e-4, tolerance=1e-8,
                        max_iterations=3000)
        assert found.converged and len(found.log_likelihood) > 3
        assert (np.diff(found.log_likelihood) >= 0).all()
        covariances = found.covariances if kind == "full" else [np.diag(v) for v in found.covariances]
        density = sum(w * multivariate_normal(m, c).pdf(x)
                      for w, m, c in zip(found.weights, found.means, covariances))
        np.testing.assert_allclose(found.log_likelihood[-1], np.log(density).sum(), rtol=1e-10)


def test_without_a_floor_every_step_is_a_maximisation():
    x = data()
    each = [steps(n, x, means=STARTS, floor=0).log_likelihood for n in range(1, 12)]
    assert all(len(history) == n + 2 for n, history in enumerate(each)), "no step was refused"
    assert (np.diff(each[-1]) > 0.01).all()


def test_a_step_that_a_high_floor_makes_a_loss_is_not_taken():
    x, r = data(), nearest(data(), STARTS)
    theirs = np.array([oracle(x, "full", r, 3.0, n_steps=n).score(x) for n in range(1, 12)])
    assert (np.diff(theirs) < 0).any(), "the control: taken, such steps do lower it"
    found = steps(12, x, responsibilities=r, floor=3.0)
    assert found.converged and (np.diff(found.log_likelihood) >= 0).all() and len(found.log_likelihood) < 12


def test_one_component_has_the_moments_of_the_data():
    x = data()
    found = gmm.fit(x, n_components=1, rng=np.random.default_rng(0), floor=0)
    np.testing.assert_allclose(found.means[0], x.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(found.covariances[0], np.cov(x.T, bias=True), rtol=1e-10)
    assert found.converged and found.weights == 1


def test_one_sample_for_each_component_keeps_the_floor():
    x = np.array([[0.0, 1.0], [5.0, 5.0], [-4.0, 9.0]])
    found = gmm.fit(x, n_components=3, rng=np.random.default_rng(0), floor=0.01)
    np.testing.assert_allclose(found.covariances, np.broadcast_to(0.01 * np.eye(2), (3, 2, 2)), atol=1e-12)
    np.testing.assert_allclose(np.sort(found.means, axis=0), np.sort(x, axis=0), rtol=1e-12)


def test_seeds_are_drawn_by_squared_distance():
    """Two of the points 0, 1, 3: {0, 1} with probability ⅓(1/10 + 1/5), {0, 3} with ⅓(9/10 + 9/13), {1, 3}
    with ⅓(4/5 + 4/13)."""
    x, n, rng = np.array([[0.0], [1.0], [3.0]]), 4000, np.random.default_rng(0)
    pairs = np.array([gmm.kmeans_plus_plus(rng, x, 2).sum() for _ in range(n)])
    for total, p in ((1, 0.1), (3, (0.9 + 9 / 13) / 3), (4, (0.8 + 4 / 13) / 3)):
        error = np.sqrt(p * (1 - p) / n)
        assert abs((pairs == total).mean() - p) < 4 * error
        assert 4 * error < abs(1 / 3 - p), "the control: uniform seeds would fail"


def test_bic_finds_the_number_of_groups():
    x = data(1500)
    scores = [min(gmm.fit(x, n_components=k, rng=np.random.default_rng(seed)).bic(x) for seed in range(3))
              for k in range(1, 6)]
    assert int(np.argmin(scores)) + 1 == 3


@pytest.mark.parametrize("package", [reference, accel])
class TestBoth:
    def test_seeds_are_rows_of_x_and_refuse_what_is_none(self, package):
        x, seeds = data(20), package.density.gmm.kmeans_plus_plus
        found = seeds(np.random.default_rng(0), x, 4)
        assert found.shape == (4, 2) and all((x == row).all(axis=1).any() for row in found)
        assert not np.shares_memory(found, x)
        for bad, n, words in ((x[0], 2, "x: expected shape"), (x, 0, "n_components"),
                              (x + np.nan, 2, "x: expected finite"),
                              (np.ones((4, 2)), 2, "at most 1, the number of distinct rows")):
            with pytest.raises(ValueError, match=words):
                seeds(np.random.default_rng(0), bad, n)

    def test_says_that_it_has_not_converged(self, package):
        with pytest.warns(UserWarning, match="not converged after 2 iterations") as caught:
            found = package.density.gmm.fit(data(), n_components=3, means=STARTS, max_iterations=2)
        assert not found.converged and caught[0].filename == __file__

    @pytest.mark.parametrize("kind", ["FULL", "DIAGONAL", "SPHERICAL"])
    def test_a_component_that_shrinks_onto_a_sample_is_named(self, package, kind):
        x = np.concatenate((data(60), [[50.0, 50.0]]))
        start = {"means": np.array([[0.0, 0.0], [50.0, 49.0]]), "n_components": 2,
                 "covariance": getattr(package.density.gmm, kind)}
        with pytest.raises(ValueError, match="component 1: collapsed, its covariance is singular.*floor 0"):
            package.density.gmm.fit(x, floor=0, **start)
        assert np.isfinite(package.density.gmm.fit(x, **start).log_likelihood).all(), "the floor holds it"

    @pytest.mark.parametrize("offset", [0.0, 1e5])
    def test_a_component_on_a_line_is_named(self, package, offset):
        line = np.linspace(0, 1, 40)[:, None] * [1.0, 3.0]
        x = np.concatenate((data(60) + 100, line)) + offset
        with pytest.raises(ValueError, match="component 1: collapsed"):
            package.density.gmm.fit(x, n_components=2, means=np.array([[100.0, 100.0], [0.5, 1.5]]) + offset,
                                    floor=0)

    def test_a_component_without_samples_is_named(self, package):
        with pytest.raises(ValueError, match="component 2: collapsed, no sample"):
            package.density.gmm.fit(data(), n_components=3,
                                    means=np.array([[0.0, 0.0], [3.0, 1.0], [1e4, 1e4]]))

    @pytest.mark.parametrize(("change", "words"), [
        ({"n_components": 7}, "n_components: expected at most N = 6, got 7"),
        ({"n_components": 0}, "n_components"),
        ({"x": np.full((6, 2), np.nan)}, "x: expected finite"), ({"x": np.zeros(6)}, "x: expected shape"),
        ({"x": np.array([[0.0, 0.0]] * 5 + [[1.0, 1.0]]), "n_components": 3},
         "at most 2, the number of distinct rows"),
        ({"covariance": "full"}, "covariance: expected FULL"), ({"floor": -1e-6}, "floor"),
        ({"tolerance": np.inf}, "tolerance"),
        ({"max_iterations": 0}, "max_iterations"), ({"rng": None}, "exactly one of them, got none"),
        ({"means": np.zeros((2, 2))}, "exactly one of them, got rng and means"),
        ({"rng": None, "means": np.zeros((3, 2))}, "means: expected shape"),
        ({"rng": None, "means": np.full((2, 2), np.inf)}, "means: expected finite"),
        ({"rng": None, "responsibilities": np.ones((6, 2))}, "responsibilities: expected rows"),
        ({"rng": None, "responsibilities": np.array([[1.5, -0.5]] * 6)}, "responsibilities: expected rows"),
        ({"rng": None, "responsibilities": np.full((6, 2), np.nan)}, "responsibilities: expected rows"),
        ({"rng": None, "responsibilities": np.full((6, 3), 1 / 3)}, "responsibilities: expected shape")])
    def test_bad_input_is_refused(self, package, change, words):
        arguments = {"x": data(6), "n_components": 2, "rng": np.random.default_rng(0)} | change
        with pytest.raises(ValueError, match=words):
            package.density.gmm.fit(arguments.pop("x"), **arguments)

