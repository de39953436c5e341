"""The ratio's classifier: losses by hand and at their minimum, the regression's ratio in closed form,
gradients."""
import math

import numpy as np
import pytest
from scipy import stats

import accel
import reference
from accel.inference import _ratio_rows
from reference.inference.cross_entropy import binary_cross_entropy
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
DIM, CONTEXT = 2, 3


def setting(package, n=6, seed=0):
    """Parameters away from their start, pairs, and the prior and regression of a baseline."""
    rng = np.random.default_rng(seed)
    tree = package.inference.ratio.init_params(rng, dim=DIM, context_dim=CONTEXT, hidden=(5, 4))
    params = {"layers": [layer + 0.4 * rng.standard_normal(layer.shape) for layer in tree["layers"]]}
    coefficients, factor = rng.standard_normal((CONTEXT + 1, DIM)), np.array([[0.7, 0.0], [0.4, 0.5]])
    baseline = {"prior": package.priors.Dirichlet([2.0, 1.0, 3.0]),
                "regression": package.preprocessing.regression.Regression(coefficients, factor)}
    return params, rng.standard_normal((n, DIM)), rng.standard_normal((n, CONTEXT)), baseline


def normal(package, slope=0.8, width=0.2**0.5):
    """The baseline that is exact for u ~ N(0, 1), c = u + noise of ½; other numbers make it wrong."""
    regression = package.preprocessing.regression.Regression(np.array([[0.0], [slope]]), np.array([[width]]))
    return {"prior": package.priors.Normal([0.0], [1.0]), "regression": regression}


@BOTH
def test_one_mismatch_gives_the_binary_loss(package):
    params, u, c, baseline = setting(package)
    ratio = package.inference.ratio
    matched = ratio.log_ratio(params, u, c, **baseline)
    mismatched = ratio.log_ratio(params, u[[1, 2, 3, 4, 5, 0]], c, **baseline)
    found = ratio.loss(params, u, c, n_contrastive=1, **baseline)
    assert_close(found, binary_cross_entropy(matched, mismatched), terms=100)


@BOTH
@pytest.mark.parametrize("k", [1, 2, 5])
def test_many_mismatches_by_hand(package, k):
    """Where the classifier knows nothing, ½(log 2K + log 2); and one row of the softmax, written out."""
    params, u, c, baseline = setting(package)
    ratio = package.inference.ratio
    nothing = {"layers": [np.zeros((2 * 1 + 1 + 1, 3)), np.zeros((4, 2))]}
    equal = ratio.loss(nothing, u[:, :1], c[:, :1], n_contrastive=k, **normal(package, slope=0.0, width=1.0))
    assert equal == pytest.approx(0.5 * (math.log(2 * k) + math.log(2)))
    f = np.array([[ratio.log_ratio(params, u[(j + i) % 6][None], c[j][None], **baseline)[0]
                   for i in range(k + 1)]
                  for j in range(6)])
    e = np.exp(f)
    found = -np.log(e[:, 0] / (k + e[:, :k].sum(axis=1))) - np.log(k / (k + e[:, 1:].sum(axis=1)))
    assert_close(ratio.loss(params, u, c, n_contrastive=k, **baseline), 0.5 * found.mean(), terms=100)


@BOTH
@pytest.mark.parametrize("k", [1, 5])
def test_loss_is_least_at_the_exact_ratio(package, k):
    """The regression's ratio is exact; a network that adds to it, tilts it or shifts it, has a larger
    loss."""
    rng, ratio = np.random.default_rng(0), package.inference.ratio
    u = rng.standard_normal((50_000, 1))
    c = u + 0.5 * rng.standard_normal(u.shape)

    def loss(adds):
        """With a network that adds a linear function: a tanh of small numbers."""
        params = {"layers": [1e-3 * np.array(adds), np.array([[0.0, 0.0], [1e3, 0.0]])]}
        return ratio.loss(params, u, c, n_contrastive=k, **normal(package))
    least = loss([[0.0]] * 4)
    for shift, of_u, of_v, of_c in ((0.3, 0, 0, 0), (-0.3, 0, 0, 0), (0, 0.2, 0, 0), (0, 0, 0.3, 0),
                                    (0, 0, -0.3, 0),
                                    (0, 0.1, 0, 0.1)):
        assert loss([[shift], [of_u], [of_v], [of_c]]) > least + 1e-3


@BOTH
def test_regressions_ratio_is_scipys(package):
    """log N(u; mean, LLᵀ) − log p(u), for a prior that is not normal in u."""
    _, u, c, baseline = setting(package, n=9)
    ratio, prior, regression = package.inference.ratio, baseline["prior"], baseline["regression"]
    mean = regression.coefficients[0] + c @ regression.coefficients[1:]
    covariance = regression.factor @ regression.factor.T
    theta, log_det = prior.to_constrained(u)
    expected = [stats.multivariate_normal.logpdf(u[j], mean[j], covariance)
                - stats.dirichlet.logpdf(theta[j] / theta[j].sum(), [2.0, 1.0, 3.0]) - log_det[j]
                for j in range(9)]
    assert np.allclose(ratio.linear_log_ratio(u, c, **baseline), expected, rtol=1e-10)
    start = ratio.init_params(np.random.default_rng(0), dim=DIM, context_dim=CONTEXT)
    # training starts there
    assert np.allclose(ratio.log_ratio(start, u, c, **baseline), expected, rtol=1e-10)


@BOTH
def test_losses_stay_finite_where_a_sigmoid_is_zero(package):
    params, u, c, baseline = setting(package)
    params["layers"][-1][0, 0], params["layers"][-1][1:, 0] = 0.0, [3000, -3000, 900, 0]
    for k in (1, 4):
        value, grads = package.inference.ratio.loss_and_grad(params, u, c, n_contrastive=k, balance=3.0,
                                                             **baseline)
        assert np.isfinite(value) and value > 100 and all(np.isfinite(layer).all()
                                                          for layer in grads["layers"])


@BOTH
@pytest.mark.parametrize("settings", [{"n_contrastive": 1}, {"n_contrastive": 3},
                                      {"n_contrastive": 3, "balance": 30.0}])
def test_gradient_is_that_of_differences(package, settings):
    params, u, c, baseline = setting(package)
    ratio, settings = package.inference.ratio, settings | baseline
    _, grads = ratio.loss_and_grad(params, u, c, **settings)
    for k, layer in enumerate(params["layers"]):
        for place in ((0, 0), (len(layer) - 1, layer.shape[1] - 1), (2, 0)):
            values = []
            for step in (1e-5, -1e-5):
                moved = [one.copy() for one in params["layers"]]
                moved[k][place] += step
                values.append(ratio.loss({"layers": moved}, u, c, **settings))
            difference = (values[0] - values[1]) / 2e-5
            assert grads["layers"][k][place] == pytest.approx(difference, rel=1e-5, abs=1e-9)


@BOTH
def test_gradient_with_respect_to_u_is_that_of_differences(package):
    params, u, c, baseline = setting(package)
    ratio = package.inference.ratio
    f, du = ratio.log_ratio_and_grad(params, u, c, **baseline)
    assert_close(f, ratio.log_ratio(params, u, c, **baseline), terms=100)
    for step in 1e-5 * np.eye(DIM):
        values = [ratio.log_ratio(params, u + sign * step, c, **baseline) for sign in (1, -1)]
        assert np.allclose(du @ step / 1e-5, (values[0] - values[1]) / 2e-5, rtol=1e-6, atol=1e-8)


@BOTH
def test_one_context_serves_all_parameters(package):
    params, u, c, baseline = setting(package)
    ratio, repeated = package.inference.ratio, np.repeat(c[:1], len(u), axis=0)
    for function in (ratio.log_ratio, ratio.log_ratio_and_grad):
        for one, each in zip(np.atleast_2d(function(params, u, c[:1], **baseline)[0]),
                             np.atleast_2d(function(params, u, repeated, **baseline)[0])):
            assert_close(one, each, terms=100)
    assert_close(ratio.linear_log_ratio(u, c[:1], **baseline),
                 ratio.linear_log_ratio(u, repeated, **baseline), terms=100)


def test_rows_give_the_same_ratio_and_gradient():
    """What accel computes once for each θ and x is the same classifier."""
    params, u, c, baseline = setting(accel)
    ratio, (prior, regression) = accel.inference.ratio, baseline.values()
    rows = _ratio_rows.theta_rows_of(prior, regression, u), _ratio_rows.x_rows_of(regression, c)
    v = (u - regression.mean(c)) @ np.linalg.inv(regression.factor).T
    assert_close(rows[0][:, DIM:-1] - rows[1][:, CONTEXT:], v, terms=100)
    assert np.array_equal(_ratio_rows.log_ratio(params, *rows), ratio.log_ratio(params, u, c, **baseline))
    f, drows = _ratio_rows.log_ratio_and_grad(params, *rows)
    for column in range(rows[0].shape[1]):
        step = np.zeros_like(rows[0])
        step[:, column] = 1e-5
        values = [_ratio_rows.log_ratio(params, rows[0] + sign * step, rows[1]) for sign in (1, -1)]
        assert np.allclose(drows[:, column], (values[0] - values[1]) / 2e-5, rtol=1e-6, atol=1e-8)


@BOTH
def test_balance_punishes_one_sided_classifiers_alone(package, seed):
    """⟨s⟩ of matched and mismatched pairs add to 1 for the exact ratio, and for one that knows nothing."""
    rng, ratio = np.random.default_rng(seed), package.inference.ratio
    u = rng.standard_normal((20_000, 1))
    c = u + 0.5 * rng.standard_normal(u.shape)
    params, penalties = {"layers": [np.zeros((4, 1)), np.zeros((2, 2))]}, []
    for slope, width in ((0.8, np.sqrt(0.2)), (0.0, 1.0), (0.8, 0.15)):  # exact; knows nothing; too confident
        baseline = normal(package, slope, width)
        with_it, without = (ratio.loss(params, u, c, n_contrastive=1, balance=balance, **baseline)
                            for balance in (1.0, 0.0))
        penalties.append(with_it - without)
    standard_error = 1 / np.sqrt(20_000)
    assert penalties[0] < (4 * standard_error)**2 and penalties[1] < 1e-12 and penalties[2] > 0.1**2


@BOTH
def test_bad_input_is_named(package):
    params, u, c, baseline = setting(package)
    ratio = package.inference.ratio
    for function in (ratio.log_ratio, ratio.log_ratio_and_grad, ratio.loss, ratio.loss_and_grad):
        with pytest.raises(ValueError, match=r"u: expected shape \(N, 2\), got \(6, 1\)"):
            function(params, u[:, :1], c, **baseline)
        with pytest.raises(ValueError, match=r"c: expected shape \(N, 3\), got \(6, 2\)"):
            function(params, u, c[:, :2], **baseline)
        with pytest.raises(ValueError, match="c: expected 6 rows( or one)?, got 4"):
            function(params, u, c[:4], **baseline)
    for function in (ratio.loss, ratio.loss_and_grad):
        with pytest.raises(ValueError,
                           match="u: number of rows: expected a whole number of at least 2, got 1"):
            function(params, u[:1], c[:1], **baseline)
        with pytest.raises(ValueError, match="c: expected 6 rows, got 1"):
            function(params, u, c[:1], **baseline)
    with pytest.raises(ValueError, match="hidden: number of layers"):
        ratio.init_params(np.random.default_rng(0), dim=1, context_dim=1, hidden=())
