"""What `priors` promises of every prior: maps, densities of u, gradients, the unit cube, copies, errors."""
import copy
import pickle

import numpy as np
import pytest
from autograd import jacobian
from scipy import stats

import accel
from reference import priors
from tests.support.priors import (
    BOTH, BOX, DIRICHLET, EACH, LOG_NORMAL, NORMAL, PRODUCT, free_columns, in_package, refuses,
)


def scipys_log_prob(prior, theta):
    """log p(θ) of one row, by SciPy."""
    if prior is PRODUCT:
        ends = np.cumsum([part.dim for part in prior.parts])
        return sum(scipys_log_prob(part, theta[end - part.dim:end]) for part, end in zip(prior.parts, ends))
    return {BOX: lambda: stats.uniform([-1.3, 0.1], [3.4, 0.6]).logpdf(theta).sum(),
            NORMAL: lambda: stats.norm([0.1, -2.3], [0.3, 4.1]).logpdf(theta).sum(),
            LOG_NORMAL: lambda: stats.lognorm(s=[0.5, 1.1], scale=np.exp([-0.9, 0.1])).logpdf(theta).sum(),
            DIRICHLET: lambda: stats.dirichlet([0.7, 2.2, 1.4, 5.3]).logpdf(theta / theta.sum())}[prior]()


# The maps


@EACH
def test_log_det_is_that_of_autodiffs_jacobian(prior):
    u = np.random.default_rng(1).standard_normal((6, prior.unconstrained_dim))
    _, log_det = prior.to_constrained(u)
    for row, ours in zip(u, log_det):
        slopes = jacobian(lambda v: prior.to_constrained(v[None])[0][0])(row)[free_columns(prior)]
        assert abs(np.linalg.slogdet(slopes)[1] - ours) < 1e-10


@EACH
def test_log_det_is_that_of_central_differences(prior):
    dim, h = prior.unconstrained_dim, 1e-4
    u = np.random.default_rng(2).standard_normal((1, dim))
    points = prior.to_constrained(u + h * np.concatenate([k * np.eye(dim) for k in (-2, -1, 1, 2)]))[0]
    a, b, c, d = points.reshape(4, dim, prior.dim)[..., free_columns(prior)]
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


# The density of u, and gradients carried back to u


@EACH
def test_density_of_u_is_scipys_with_autodiffs_jacobian(prior):
    """p(u) = p(θ(u)) |det ∂θ/∂u|, the first by SciPy, the second by autodiff."""
    u = np.random.default_rng(6).standard_normal((6, prior.unconstrained_dim))
    for row, ours in zip(u, prior.unconstrained_log_prob(u)):
        slopes = jacobian(lambda v: prior.to_constrained(v[None])[0][0])(row)[free_columns(prior)]
        log_prob = scipys_log_prob(prior, prior.to_constrained(row[None])[0][0])
        assert abs(log_prob + np.linalg.slogdet(slopes)[1] - ours) < 1e-10


def central_difference(function, u, h=1e-3):
    """∂ function/∂u by a five-point rule, function (M, d) → (M,), at one u (d,)."""
    a, b, c, d = function(u + h * np.concatenate([k * np.eye(len(u)) for k in (-2, -1, 1, 2)])).reshape(4, -1)
    return (a - 8 * b + 8 * c - d) / (12 * h)


@EACH
@BOTH
def test_gradients_are_those_of_central_differences(package, prior):
    twin, rng = in_package(package, prior), np.random.default_rng(7)
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
    twin = in_package(package, prior)
    for far in (-300.0, 300.0):
        u = np.full((1, prior.unconstrained_dim), far)
        value, grad = twin.unconstrained_log_prob_and_grad(u)
        assert np.isfinite(value).all() and np.isfinite(grad).all()
        assert np.isfinite(twin.to_constrained_vjp(u, np.ones((1, prior.dim)))).all()


# The unit cube


@EACH
@BOTH
def test_the_unit_cube_and_back(package, prior):
    twin = in_package(package, prior)
    v = np.random.default_rng(8).uniform(0.001, 0.999, (200, prior.unconstrained_dim))
    theta = twin.from_uniform(v)
    assert twin.contains(theta).all() and theta.shape == (200, prior.dim)
    np.testing.assert_allclose(twin.to_uniform(theta), v, atol=1e-10)
    drawn = twin.sample(np.random.default_rng(9), 200)
    np.testing.assert_allclose(twin.from_uniform(twin.to_uniform(drawn)), drawn, rtol=1e-8)


@EACH
def test_what_a_prior_draws_is_uniform_in_the_cube(prior):
    """v of samples is uniform in every column and pair of columns; v of another prior's is not."""
    v = prior.to_uniform(prior.sample(np.random.default_rng(10), 20_000))
    for column in v.T:
        assert stats.kstest(column, stats.uniform.cdf).pvalue > 1e-3
        assert stats.kstest(column**1.05, stats.uniform.cdf).pvalue < 1e-3, "the check cannot see 5 %"
    correlation = np.corrcoef(v.T) if v.shape[1] > 1 else np.eye(1)
    assert np.abs(correlation - np.eye(v.shape[1])).max() < 5 / np.sqrt(20_000)


@EACH
def test_points_of_the_cube_are_distributed_as_samples(prior):
    rng = np.random.default_rng(11)
    theta = prior.from_uniform(rng.random((5000, prior.unconstrained_dim)))
    drawn = prior.sample(rng, 5000)
    for ours, theirs in zip(theta.T, drawn.T):
        assert stats.ks_2samp(ours, theirs).pvalue > 1e-4


@EACH
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@BOTH
def test_the_ends_of_the_cube_are_inside_the_support(package, dtype, prior):
    twin = in_package(package, prior)
    ends = np.array([[0.0], [1.0], [np.finfo(dtype).tiny], [1 - np.finfo(dtype).epsneg], [0.5]]).astype(dtype)
    theta = twin.from_uniform(np.tile(ends, prior.unconstrained_dim))
    assert prior.contains(theta).all() and np.isfinite(theta).all()
    v = twin.to_uniform(theta)
    assert ((v > 0) & (v < 1)).all()


@EACH
@BOTH
def test_outside_the_support_there_is_no_point_of_the_cube(package, prior):
    twin = in_package(package, prior)
    theta = np.full((2, prior.dim), [[np.nan], [np.inf]])
    assert np.isnan(twin.to_uniform(theta)).all()


# Nothing leaves the support


@EACH
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@BOTH
def test_nothing_that_a_prior_returns_lies_outside_it(package, dtype, prior):
    twin, dim = in_package(package, prior), prior.unconstrained_dim
    u = np.tile(np.array([[-1e4], [-40], [-8], [0], [8], [40], [1e4]]), dim).astype(dtype)
    u = np.concatenate((u, u * np.resize([1, -1], dim).astype(dtype)))
    theta, log_det = twin.to_constrained(u)
    assert prior.contains(theta).all() and np.isfinite(theta).all()
    assert np.isfinite(twin.to_unconstrained(theta)[0]).all()
    assert prior.contains(twin.sample(accel.generators.generator(1, np, dtype), 5000)).all()


@pytest.mark.parametrize("draw", [0.0, np.nextafter(1, 0)])
@BOTH
def test_the_ends_of_the_unit_interval_are_drawn_inside(package, draw):
    class Rng:
        def random(self, size):
            return np.full(size, draw, np.float32)
    for prior in (BOX, DIRICHLET, priors.BoxUniform(0.03, 0.3)):
        assert prior.contains(in_package(package, prior).sample(Rng(), 3)).all()


# A prior cannot be changed


@EACH
@BOTH
def test_constants_cannot_be_changed_nor_those_of_a_copy(package, prior):
    twin = in_package(package, prior)
    for same in (twin, copy.copy(twin), copy.deepcopy(twin), pickle.loads(pickle.dumps(twin))):
        assert package.priors.describe(same) == priors.describe(prior)
        with pytest.raises((AttributeError, ValueError)):
            if prior is PRODUCT:
                same.parts = ()
            else:
                next(iter(vars(same).values()))[0] = 3.0


# Bad input


@refuses((lambda p: p.Normal([0.0], [1.0]).log_prob([0.0]), r"theta: expected shape \(N, 1\), got \(1,\)"),
         (lambda p: p.Normal([0.0], [1.0]).to_constrained([[0.0, 1.0]]), r"u: expected shape \(N, 1\)"),
         (lambda p: p.Normal([0.0], [1.0]).unconstrained_log_prob([[0.0, 1.0]]),
          r"u: expected shape \(N, 1\)"),
         (lambda p: p.Normal([0.0], [1.0]).from_uniform([[0.5, 0.5]]), r"v: expected shape \(N, 1\)"),
         (lambda p: p.Normal([0.0], [1.0]).to_uniform([0.5]), r"theta: expected shape \(N, 1\)"),
         (lambda p: p.Normal([0.0], [1.0]).sample(np.random.default_rng(0), 0), "n: expected a whole number"),
         (lambda p: p.BoxUniform([0.0], [1.0]).from_uniform([0.5]), r"v: expected shape \(N, 1\)"),
         (lambda p: p.BoxUniform([0.0], [1.0]).to_constrained_vjp([[0.0]], [[1.0], [1.0]]),
          r"dtheta: expected shape \(1, 1\)"),
         (lambda p: p.Dirichlet([1.0, 2.0]).from_uniform([[0.5, 0.5]]), r"v: expected shape \(N, 1\)"),
         (lambda p: p.Dirichlet([1.0, 2.0]).unconstrained_log_prob_and_grad([[0.0, 1.0]]),
          r"u: expected shape \(N, 1\)"),
         (lambda p: p.Dirichlet([1.0, 2.0]).to_constrained_vjp([[0.0]], [[1.0]]),
          r"dtheta: expected shape \(1, 2\), got \(1, 1\)"))
def test_bad_input_is_named(package, make, message):
    with pytest.raises(ValueError, match=message):
        make(package.priors)
