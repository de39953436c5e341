"""The ratio's classifier: losses by hand and at their minimum, the regression's ratio in closed form, gradients by differences."""
import math

import numpy as np
import pytest
from scipy import stats

import accel
import reference
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
DIM, CONTEXT = 2, 3


def setting(package, n=6, seed=0):
    """Parameters away from their start, and rows."""
    rng = np.random.default_rng(seed)
    tree = package.inference.ratio.init_params(rng, dim=DIM, context_dim=CONTEXT, hidden=(5, 4))
    params = {"layers": [layer + 0.4 * rng.standard_normal(layer.shape) for layer in tree["layers"]]}
    return params, rng.standard_normal((n, 2 * DIM + 1)), rng.standard_normal((n, CONTEXT + DIM))


def lectures_loss(matched, mismatched):
    """S3's formula for labels 1 and 0, as it is printed: the mean of y log s + (1 − y) log(1 − s), over both halves."""
    y, f = np.repeat([1.0, 0.0], len(matched)), np.concatenate((matched, mismatched))
    s = 1 / (1 + np.exp(-f))
    return np.mean(y * np.log(s) + (1 - y) * np.log(1 - s))


def test_binary_loss_is_the_lectures_with_its_missing_sign():
    """By hand: the classifier says 3/4 to the matched pair and 1/3 to the mismatched one."""
    matched, mismatched = np.array([math.log(3)]), np.array([-math.log(2)])
    expected = -0.5 * (math.log(3 / 4) + math.log(1 - 1 / 3))
    for found in (reference.inference.ratio.binary_cross_entropy(matched, mismatched),
                  reference.inference.ratio.cross_entropy(np.stack((matched, mismatched))),
                  accel.inference.ratio.cross_entropy(np.stack((matched, mismatched)), 0.0)):
        assert found == pytest.approx(expected, abs=1e-14)
    assert lectures_loss(matched, mismatched) == pytest.approx(-expected, abs=1e-14)          # it falls as the classifier errs


@BOTH
def test_one_mismatch_gives_the_binary_loss(package):
    params, theta_rows, x_rows = setting(package)
    ratio = package.inference.ratio
    matched = ratio.log_ratio(params, theta_rows, x_rows)
    mismatched = ratio.log_ratio(params, theta_rows[[1, 2, 3, 4, 5, 0]], x_rows)
    expected = reference.inference.ratio.binary_cross_entropy(matched, mismatched)
    assert_close(ratio.loss(params, theta_rows, x_rows, n_contrastive=1), expected, terms=10)
    assert_close(ratio.loss(params, theta_rows, x_rows, n_contrastive=1), -lectures_loss(matched, mismatched), terms=100)


@BOTH
@pytest.mark.parametrize("k", [1, 2, 5])
def test_many_mismatches_by_hand(package, k):
    """Where the classifier knows nothing, ½(log 2K + log 2); and one row of the softmax, written out."""
    params, theta_rows, x_rows = setting(package)
    ratio = package.inference.ratio
    nothing = {"layers": [0 * layer for layer in params["layers"]]}
    flat_theta = 0 * theta_rows
    assert ratio.loss(nothing, flat_theta, 0 * x_rows, n_contrastive=k) == pytest.approx(0.5 * (math.log(2 * k) + math.log(2)))
    f = np.array([[ratio.log_ratio(params, theta_rows[(j + i) % 6][None], x_rows[j][None])[0] for i in range(k + 1)] for j in range(6)])
    e = np.exp(f)
    found = -np.log(e[:, 0] / (k + e[:, :k].sum(axis=1))) - np.log(k / (k + e[:, 1:].sum(axis=1)))
    assert_close(ratio.loss(params, theta_rows, x_rows, n_contrastive=k), 0.5 * found.mean(), terms=100)


@BOTH
@pytest.mark.parametrize("k", [1, 5])
def test_loss_is_least_at_the_exact_ratio(package, k):
    """u ~ N(0, 1), x = u + noise: the regression's ratio is exact; a network that adds to it, tilts it or shifts it, loses."""
    rng, ratio = np.random.default_rng(0), package.inference.ratio
    u = rng.standard_normal((50_000, 1))
    x = u + 0.5 * rng.standard_normal(u.shape)
    exact = package.preprocessing.regression.Regression(np.array([[0.0], [0.8]]), np.array([[np.sqrt(0.2)]]))
    rows = ratio.theta_rows_of(package.priors.Normal([0.0], [1.0]), exact, u), ratio.x_rows_of(exact, x)

    def loss(adds):
        """With a network that adds a linear function: a tanh of small numbers."""
        return ratio.loss({"layers": [1e-3 * np.array(adds), np.array([[0.0, 0.0], [1e3, 0.0]])]}, *rows, n_contrastive=k)
    least = loss([[0.0]] * 4)
    for shift, of_u, of_v, of_c in ((0.3, 0, 0, 0), (-0.3, 0, 0, 0), (0, 0.2, 0, 0), (0, 0, 0.3, 0), (0, 0, -0.3, 0), (0, 0.1, 0, 0.1)):
        assert loss([[shift], [of_u], [of_v], [of_c]]) > least + 1e-3


@BOTH
def test_regressions_ratio_is_scipys(package):
    """log N(u; mean, LLᵀ) − log p(u), for a prior that is not normal in u."""
    rng, ratio = np.random.default_rng(1), package.inference.ratio
    prior, factor = package.priors.Dirichlet([2.0, 1.0, 3.0]), np.array([[0.7, 0.0], [0.4, 0.2]])
    regression = package.preprocessing.regression.Regression(rng.standard_normal((CONTEXT + 1, 2)), factor)
    u, c = rng.standard_normal((9, 2)), rng.standard_normal((9, CONTEXT))
    mean = regression.coefficients[0] + c @ regression.coefficients[1:]
    theta, log_det = prior.to_constrained(u)
    expected = [stats.multivariate_normal.logpdf(u[j], mean[j], factor @ factor.T)
                - stats.dirichlet.logpdf(theta[j] / theta[j].sum(), [2.0, 1.0, 3.0]) - log_det[j] for j in range(9)]
    rows = ratio.theta_rows_of(prior, regression, u), ratio.x_rows_of(regression, c)
    assert np.allclose(ratio.linear_log_ratio(*rows)[0], expected, rtol=1e-10)
    start = ratio.init_params(rng, dim=2, context_dim=CONTEXT)
    assert np.allclose(ratio.log_ratio(start, *rows), expected, rtol=1e-10)               # training starts there


@BOTH
def test_losses_stay_finite_where_a_sigmoid_is_zero(package):
    params, theta_rows, x_rows = setting(package)
    theta_rows[:, -1] = [3000, -3000, 900, -900, 800, 0]
    for k in (1, 4):
        value, grads = package.inference.ratio.loss_and_grad(params, theta_rows, x_rows, n_contrastive=k, balance=3.0)
        assert np.isfinite(value) and value > 100 and all(np.isfinite(layer).all() for layer in grads["layers"])
    with np.errstate(all="ignore"):
        assert not np.isfinite(lectures_loss(theta_rows[:, -1], theta_rows[:, -1]))


@BOTH
@pytest.mark.parametrize("settings", [{"n_contrastive": 1}, {"n_contrastive": 3}, {"n_contrastive": 3, "balance": 30.0}])
def test_gradient_is_that_of_differences(package, settings):
    params, theta_rows, x_rows = setting(package)
    ratio = package.inference.ratio
    _, grads = ratio.loss_and_grad(params, theta_rows, x_rows, **settings)
    grads = [layer.copy() for layer in grads["layers"]]
    for k, layer in enumerate(params["layers"]):
        for place in ((0, 0), (len(layer) - 1, layer.shape[1] - 1), (2, 0)):
            values = []
            for step in (1e-5, -1e-5):
                moved = [one.copy() for one in params["layers"]]
                moved[k][place] += step
                values.append(ratio.loss({"layers": moved}, theta_rows, x_rows, **settings))
            assert grads[k][place] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5, abs=1e-9)


@BOTH
def test_gradient_with_respect_to_theta_is_that_of_differences(package):
    params, theta_rows, x_rows = setting(package)
    ratio = package.inference.ratio
    _, drows = ratio.log_ratio_and_grad(params, theta_rows, x_rows)
    for column in range(theta_rows.shape[1]):
        step = np.zeros_like(theta_rows)
        step[:, column] = 1e-5
        expected = (ratio.log_ratio(params, theta_rows + step, x_rows) - ratio.log_ratio(params, theta_rows - step, x_rows)) / 2e-5
        assert np.allclose(drows[:, column], expected, rtol=1e-6, atol=1e-8)


@BOTH
def test_balance_punishes_one_sided_classifiers_alone(package, seed):
    """⟨s⟩ of matched and mismatched pairs add to 1 for the exact ratio, and for one that knows nothing; not for one too sure."""
    rng, ratio = np.random.default_rng(seed), package.inference.ratio
    u = rng.standard_normal((20_000, 1))
    x = u + 0.5 * rng.standard_normal(u.shape)
    penalties = []
    for width in (np.sqrt(0.2), 1.0, 0.15):                           # exact; a regression that knows nothing; one too sure
        slope = 0.0 if width == 1.0 else 0.8
        fitted = package.preprocessing.regression.Regression(np.array([[0.0], [slope]]), np.array([[width]]))
        rows = ratio.theta_rows_of(package.priors.Normal([0.0], [1.0]), fitted, u), ratio.x_rows_of(fitted, x)
        params = {"layers": [np.zeros((4, 1)), np.zeros((2, 2))]}
        penalties.append(ratio.loss(params, *rows, n_contrastive=1, balance=1.0) - ratio.loss(params, *rows, n_contrastive=1))
    standard_error = 1 / np.sqrt(20_000)
    assert penalties[0] < (4 * standard_error)**2 and penalties[1] < 1e-12 and penalties[2] > 0.1**2
