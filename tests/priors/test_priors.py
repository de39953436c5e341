"""Priors against SciPy's densities, quadrature and Jacobians that are not theirs; and what a prior must refuse."""
import numpy as np
import pytest
from autograd import jacobian
from scipy import integrate, stats

import accel
import reference
from reference import priors

BOTH = pytest.mark.parametrize("package", [reference, accel])

BOX = priors.BoxUniform([-1.3, 0.1], [2.1, 0.7])
NORMAL = priors.Normal([0.1, -2.3], [0.3, 4.1])
LOG_NORMAL = priors.LogNormal([-0.9, 0.1], [0.5, 1.1])
DIRICHLET = priors.Dirichlet([0.7, 2.2, 1.4, 5.3])
PRODUCT = priors.Independent([DIRICHLET, BOX, LOG_NORMAL, NORMAL])
ALL = {"box": BOX, "normal": NORMAL, "log-normal": LOG_NORMAL, "dirichlet": DIRICHLET, "product": PRODUCT}
EACH = pytest.mark.parametrize("prior", ALL.values(), ids=ALL)


def in_accel(prior):
    return accel.priors.restore(priors.describe(prior))


def free_columns(prior):
    """The columns of θ that are coordinates: all, but for the last of each simplex."""
    if isinstance(prior, priors.Independent):
        starts = np.cumsum([0] + [part.dim for part in prior.parts])
        return np.concatenate([start + free_columns(part) for part, start in zip(prior.parts, starts)])
    return np.arange(prior.unconstrained_dim)


# densities

def test_box_density_is_one_over_its_volume():
    theta = [[0.0, 0.4], [2.0999, 0.1001], [0.0, 0.7], [-1.3, 0.4], [0.0, 0.8], [np.nan, 0.4]]
    np.testing.assert_allclose(BOX.log_prob(theta), [-np.log(3.4 * 0.6)] * 2 + [-np.inf] * 4, rtol=1e-14)


def test_normal_and_log_normal_densities_are_scipys():
    theta = np.array([[0.3, 0.2], [1.5, 7.0], [0.01, 0.5]])
    np.testing.assert_allclose(NORMAL.log_prob(theta), stats.norm([0.1, -2.3], [0.3, 4.1]).logpdf(theta).sum(1), rtol=1e-13)
    scipys = stats.lognorm(s=[0.5, 1.1], scale=np.exp([-0.9, 0.1]))
    np.testing.assert_allclose(LOG_NORMAL.log_prob(theta), scipys.logpdf(theta).sum(1), rtol=1e-13)
    assert (LOG_NORMAL.log_prob([[0.0, 1.0], [-1.0, 1.0], [np.inf, 1.0], [np.nan, 1.0]]) == -np.inf).all()
    assert (NORMAL.log_prob([[np.inf, 1.0], [np.nan, 1.0]]) == -np.inf).all()


def test_dirichlet_density_is_scipys():
    theta = np.random.default_rng(3).dirichlet([1.0, 2.0, 3.0, 1.5], 20)
    np.testing.assert_allclose(DIRICHLET.log_prob(theta), stats.dirichlet(DIRICHLET.concentration).logpdf(theta.T), rtol=1e-12)
    assert (DIRICHLET.log_prob([[0.5, 0.5, 0.0, 0.0], [0.5, 0.5, 0.5, -0.5], [0.3, 0.3, 0.3, 0.3]]) == -np.inf).all()


def test_product_adds_its_parts_in_the_order_of_their_columns():
    theta = np.array([[0.1, 0.2, 0.3, 0.4, 2.0, 0.5, 1.5, 0.2, -0.3, 4.0]])
    by_hand = (stats.dirichlet(DIRICHLET.concentration).logpdf(theta[0, :4]) - np.log(3.4 * 0.6)
               + stats.lognorm(s=[0.5, 1.1], scale=np.exp([-0.9, 0.1])).logpdf(theta[0, 6:8]).sum()
               + stats.norm([0.1, -2.3], [0.3, 4.1]).logpdf(theta[0, 8:]).sum())
    np.testing.assert_allclose(PRODUCT.log_prob(theta), [by_hand], rtol=1e-12)
    assert (PRODUCT.dim, PRODUCT.unconstrained_dim) == (10, 9)


# samples

@pytest.mark.parametrize("column", range(2))
def test_samples_follow_their_distributions(column):
    rng, n = np.random.default_rng(11), 20_000
    theirs = {"box": stats.uniform(BOX.low[column], BOX.high[column] - BOX.low[column]),
              "normal": stats.norm(NORMAL.mean[column], NORMAL.std[column]),
              "log-normal": stats.lognorm(s=LOG_NORMAL.sigma[column], scale=np.exp(LOG_NORMAL.mu[column])),
              "dirichlet": stats.beta(DIRICHLET.concentration[column], DIRICHLET.concentration.sum() - DIRICHLET.concentration[column])}
    for name, theirs_ in theirs.items():
        draws = ALL[name].sample(rng, n)[:, column]
        assert stats.kstest(draws, theirs_.cdf).pvalue > 1e-3, name
        assert stats.kstest(1.05 * draws, theirs_.cdf).pvalue < 1e-3, f"{name}: the check cannot see 5 %"


def test_dirichlet_samples_have_its_covariance():
    draws, alpha = DIRICHLET.sample(np.random.default_rng(5), 50_000), DIRICHLET.concentration
    theirs = stats.dirichlet(alpha)
    np.testing.assert_allclose(draws.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(draws.mean(axis=0), theirs.mean(), atol=5 * 0.2 / np.sqrt(50_000))
    np.testing.assert_allclose(np.cov(draws.T), theirs.cov(), atol=5 * 0.04 / np.sqrt(50_000))


def test_small_concentrations_keep_the_digits_of_small_entries():
    draws = priors.Dirichlet([0.02, 0.03, 0.05]).sample(np.random.default_rng(2), 2000)
    log_first = np.log(draws[:, 0])
    assert (draws > 0).all() and 0.1 < np.mean(log_first < -20) < 0.9
    inner = log_first[(log_first > -300) & (log_first < -20)]         # there p(θ₁) ∝ θ₁^(α₁−1): log θ₁ is exponential
    assert stats.kstest((inner + 300) / 280, lambda t: np.expm1(0.02 * 280 * t) / np.expm1(0.02 * 280)).pvalue > 1e-3


# the maps

@EACH
def test_log_det_is_that_of_autodiffs_jacobian(prior):
    u = np.random.default_rng(1).standard_normal((6, prior.unconstrained_dim))
    _, log_det = prior.to_constrained(u)
    for row, ours in zip(u, log_det):
        slopes = jacobian(lambda v: prior.to_constrained(v[None])[0][0])(row)[free_columns(prior)]
        assert abs(np.linalg.slogdet(slopes)[1] - ours) < 1e-10


@EACH
def test_log_det_is_that_of_central_differences(prior):
    u, h = np.random.default_rng(2).standard_normal((1, prior.unconstrained_dim)), 1e-4
    points = u + h * np.concatenate([k * np.eye(prior.unconstrained_dim) for k in (-2, -1, 1, 2)])
    a, b, c, d = prior.to_constrained(points)[0].reshape(4, prior.unconstrained_dim, prior.dim)[..., free_columns(prior)]
    slopes = (a - 8 * b + 8 * c - d) / (12 * h)
    np.testing.assert_allclose(prior.to_constrained(u)[1], np.linalg.slogdet(slopes)[1], atol=1e-10)


@EACH
def test_maps_invert_each_other_with_opposite_log_dets(prior):
    u = np.random.default_rng(3).uniform(-3, 3, (50, prior.unconstrained_dim))
    theta, log_det = prior.to_constrained(u)
    back, log_det_back = prior.to_unconstrained(theta)
    assert prior.contains(theta).all()
    np.testing.assert_allclose(back, u, atol=1e-11)
    np.testing.assert_allclose(log_det_back, -log_det, atol=1e-10)


@pytest.mark.parametrize("name", ["box", "normal", "log-normal"])
def test_prior_is_standard_normal_in_unconstrained_space(name):
    prior = ALL[name]
    u = np.random.default_rng(4).standard_normal((100, prior.unconstrained_dim))
    theta, log_det = prior.to_constrained(u)
    np.testing.assert_allclose(prior.log_prob(theta) + log_det, stats.norm.logpdf(u).sum(axis=1), atol=1e-9)


@pytest.mark.parametrize("alpha", [[0.7, 2.2, 1.4], [3.0, 0.5, 0.6]])
def test_dirichlet_density_integrates_to_one_in_unconstrained_space(alpha):
    prior, grid = priors.Dirichlet(alpha), np.linspace(-60, 40, 1201)
    u = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1)
    theta, log_det = prior.to_constrained(u.reshape(-1, 2))
    density = np.exp(stats.dirichlet(alpha).logpdf((theta / theta.sum(1, keepdims=True)).T) + log_det).reshape(len(grid), -1)
    assert abs(integrate.simpson(integrate.simpson(density, grid), grid) - 1) < 1e-6


# the density in unconstrained space, and gradients on their way to it

@EACH
def test_density_of_u_is_scipys_with_autodiffs_jacobian(prior):
    """p(u) = p(θ(u)) |det ∂θ/∂u|, the first by SciPy, the second by autodiff."""
    u = np.random.default_rng(6).standard_normal((6, prior.unconstrained_dim))
    for row, ours in zip(u, prior.unconstrained_log_prob(u)):
        slopes = jacobian(lambda v: prior.to_constrained(v[None])[0][0])(row)[free_columns(prior)]
        assert abs(scipys_log_prob(prior, prior.to_constrained(row[None])[0][0]) + np.linalg.slogdet(slopes)[1] - ours) < 1e-10


def scipys_log_prob(prior, theta):
    if prior is PRODUCT:
        ends = np.cumsum([part.dim for part in prior.parts])
        return sum(scipys_log_prob(part, theta[end - part.dim:end]) for part, end in zip(prior.parts, ends))
    return {BOX: lambda: stats.uniform([-1.3, 0.1], [3.4, 0.6]).logpdf(theta).sum(),
            NORMAL: lambda: stats.norm([0.1, -2.3], [0.3, 4.1]).logpdf(theta).sum(),
            LOG_NORMAL: lambda: stats.lognorm(s=[0.5, 1.1], scale=np.exp([-0.9, 0.1])).logpdf(theta).sum(),
            DIRICHLET: lambda: stats.dirichlet([0.7, 2.2, 1.4, 5.3]).logpdf(theta / theta.sum())}[prior]()


def central_difference(function, u, h=1e-3):
    """∂ function/∂u by a five-point rule, function (M, d) → (M,), at one u (d,)."""
    a, b, c, d = function(u + h * np.concatenate([k * np.eye(len(u)) for k in (-2, -1, 1, 2)])).reshape(4, -1)
    return (a - 8 * b + 8 * c - d) / (12 * h)


@EACH
@BOTH
def test_gradients_are_those_of_central_differences(package, prior):
    twin, rng = prior if package is reference else in_accel(prior), np.random.default_rng(7)
    u, dtheta = rng.standard_normal((4, prior.unconstrained_dim)), rng.standard_normal((4, prior.dim))
    u[0] = 0.0
    value, grad = twin.unconstrained_log_prob_and_grad(u)
    np.testing.assert_array_equal(value, twin.unconstrained_log_prob(u))
    carried = twin.to_constrained_vjp(u, dtheta)
    for row, cotangent, ours, back in zip(u, dtheta, grad, carried):
        np.testing.assert_allclose(ours, central_difference(twin.unconstrained_log_prob, row), atol=1e-9)
        expected = central_difference(lambda v: twin.to_constrained(v)[0] @ cotangent, row)
        np.testing.assert_allclose(back, expected, atol=1e-9 * np.abs(expected).max())


@EACH
@BOTH
def test_gradients_stay_finite_far_out(package, prior):
    twin = prior if package is reference else in_accel(prior)
    for far in (-300.0, 300.0):
        u = np.full((1, prior.unconstrained_dim), far)
        value, grad = twin.unconstrained_log_prob_and_grad(u)
        assert np.isfinite(value).all() and np.isfinite(grad).all()
        assert np.isfinite(twin.to_constrained_vjp(u, np.ones((1, prior.dim)))).all()


def test_centre_of_the_simplex_is_where_u_is_zero():
    for k in (2, 3, 10):
        theta, _ = priors.Dirichlet(np.ones(k)).to_constrained(np.zeros((1, k - 1)))
        np.testing.assert_allclose(theta, np.full((1, k), 1 / k), rtol=1e-14)


def test_box_map_keeps_its_digits_beside_either_bound():
    box = priors.BoxUniform([0.0, -1.0], [1.0, 0.0])
    near = np.array([[1e-200, -1e-200]])
    u, log_det = box.to_unconstrained(near)
    np.testing.assert_allclose(u, [[stats.norm.ppf(1e-200), -stats.norm.ppf(1e-200)]], rtol=1e-13)
    np.testing.assert_allclose(log_det, -stats.norm.logpdf(u).sum(axis=1), rtol=1e-13)
    last = np.nextafter(BOX.high, -np.inf)[None]
    assert np.isfinite(BOX.to_unconstrained(last)[0]).all()


@EACH
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@BOTH
def test_nothing_that_a_prior_returns_lies_outside_it(package, dtype, prior):
    twin = prior if package is reference else in_accel(prior)
    u = np.concatenate([np.full((1, prior.unconstrained_dim), value) for value in (-1e4, -40, -8, 0, 8, 40, 1e4)]).astype(dtype)
    u = np.concatenate((u, u * np.resize([1, -1], prior.unconstrained_dim).astype(dtype)))
    theta, log_det = twin.to_constrained(u)
    assert prior.contains(theta).all() and np.isfinite(theta).all()
    assert np.isfinite(twin.to_unconstrained(theta)[0]).all()
    assert prior.contains(twin.sample(accel.device.generator(1, np, dtype), 5000)).all()


@pytest.mark.parametrize("draw", [0.0, np.nextafter(1, 0)])
@BOTH
def test_the_ends_of_the_unit_interval_are_drawn_inside(package, draw):
    class Rng:
        def random(self, size):
            return np.full(size, draw, np.float32)
    for prior in (BOX, DIRICHLET, priors.BoxUniform(0.03, 0.3)):
        twin = prior if package is reference else in_accel(prior)
        assert prior.contains(twin.sample(Rng(), 3)).all()


# description

@EACH
def test_description_crosses_packages_and_files(prior, tmp_path):
    description = priors.describe(prior)
    reference.runtime.persistence.save(tmp_path / "prior.npz", "prior", description)
    loaded = accel.runtime.persistence.load(tmp_path / "prior.npz", "prior")
    assert accel.priors.describe(accel.priors.restore(loaded)) == description == priors.describe(priors.restore(loaded))


# bad input

@BOTH
@pytest.mark.parametrize(("make", "message"), [
    (lambda p: p.BoxUniform([0.0, 1.0], [1.0, 1.0]), "low: expected low < high"),
    (lambda p: p.BoxUniform([0.0], [-1.0]), "low: expected low < high"),
    (lambda p: p.BoxUniform(0.0, np.nextafter(0, 1)), "low: expected low < high"),
    (lambda p: p.BoxUniform(-1e308, 1e308), "low: expected low < high"),
    (lambda p: p.BoxUniform([0.0], [1.0, 2.0]), r"high: expected shape \(1,\), got \(2,\)"),
    (lambda p: p.BoxUniform([], []), "low: expected one or more"),
    (lambda p: p.BoxUniform(["a"], [1.0]), "low: expected real numbers"),
    (lambda p: p.BoxUniform([[0.0]], [[1.0]]), r"low: expected shape \(dim,\)"),
    (lambda p: p.BoxUniform([0.0], [np.inf]), "high: expected finite"),
    (lambda p: p.Normal([0.0, np.nan], [1.0, 1.0]), "mean: expected finite"),
    (lambda p: p.Normal([0.0], [0.0]), "std: expected one or more positive"),
    (lambda p: p.LogNormal([0.0], [-1.0]), "sigma: expected one or more positive"),
    (lambda p: p.Dirichlet([1.0]), "concentration: number of entries: expected a whole number of at least 2"),
    (lambda p: p.Dirichlet([1.0, 0.0]), "concentration: expected one or more positive"),
    (lambda p: p.Independent([]), "parts: expected a list"),
    (lambda p: p.Independent([3.0]), "parts: expected a list"),
    (lambda p: p.restore({"name": "Cauchy"}), "description: expected"),
    (lambda p: p.Normal([0.0], [1.0]).log_prob([0.0]), r"theta: expected shape \(N, 1\), got \(1,\)"),
    (lambda p: p.Normal([0.0], [1.0]).to_constrained([[0.0, 1.0]]), r"u: expected shape \(N, 1\)"),
    (lambda p: p.Normal([0.0], [1.0]).unconstrained_log_prob([[0.0, 1.0]]), r"u: expected shape \(N, 1\)"),
    (lambda p: p.Dirichlet([1.0, 2.0]).unconstrained_log_prob_and_grad([[0.0, 1.0]]), r"u: expected shape \(N, 1\)"),
    (lambda p: p.Dirichlet([1.0, 2.0]).to_constrained_vjp([[0.0]], [[1.0]]), r"dtheta: expected shape \(1, 2\), got \(1, 1\)"),
    (lambda p: p.BoxUniform([0.0], [1.0]).to_constrained_vjp([[0.0]], [[1.0], [1.0]]), r"dtheta: expected shape \(1, 1\)"),
    (lambda p: p.Normal([0.0], [1.0]).sample(np.random.default_rng(0), 0), "n: expected a whole number"),
    (lambda p: p.check_inside("theta", p.BoxUniform(0.0, 1.0), np.array([[0.5], [1.0], [np.nan]])), r"2 of 3 outside \(first: row 1\)"),
])
def test_bad_input_is_named(package, make, message):
    with pytest.raises(ValueError, match=message):
        make(package.priors)


def test_accel_refuses_a_box_that_float32_cannot_resolve():
    with pytest.raises(ValueError, match="low: expected bounds with a float32 between them"):
        accel.priors.BoxUniform(1.0, 1.0 + 1e-9).to_constrained(np.zeros((1, 1), np.float32))


@EACH
def test_constants_cannot_be_changed(prior):
    with pytest.raises((AttributeError, ValueError)):
        if prior is PRODUCT:
            prior.parts = ()
        else:
            next(iter(vars(prior).values()))[0] = 3.0


@pytest.mark.parametrize("package", [reference, accel])
def test_a_row_outside_stands_at_the_centre_and_those_inside_where_they_were(package):
    prior = package.priors.BoxUniform([-1.0, 2.0], [3.0, 4.0])
    theta = np.array([[0.0, 3.5], [-2.0, 3.0], [np.nan, 3.0], [1.0, 3.0]])
    u, log_det, inside = package.priors.unconstrained_inside(prior, theta)
    assert inside.tolist() == [True, False, False, True] and np.isfinite(u).all()
    np.testing.assert_allclose(u, [stats.norm.ppf([0.25, 0.75]), [0, 0], [0, 0], [0, 0]], atol=1e-14)
    np.testing.assert_allclose(log_det, stats.norm.logpdf(u).sum(axis=1) * -1 - np.log(4 * 2), rtol=1e-14)
