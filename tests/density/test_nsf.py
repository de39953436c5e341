"""The neural spline flow against what does not depend on it: autodiff Jacobians, quadrature, a known density no MADE can reach."""
import numpy as np
import pytest
from autograd import jacobian
from scipy import integrate, stats

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.agreement.registry import random_tree

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
NSF = reference.density.nsf


def flow(dim=3, context_dim=2, scale=0.5, n_bins=5, n_transforms=2):
    tree = NSF.init_params(np.random.default_rng(0), dim=dim, context_dim=context_dim, hidden=(11, 9), n_bins=n_bins,
                           n_transforms=n_transforms)
    return random_tree(np.random.default_rng(1), tree, scale)


def inputs(n, dim=3, context_dim=2, spread=2.0):
    """Rows inside the splines' interval and beyond it."""
    rng = np.random.default_rng(2)
    return spread * rng.standard_normal((n, dim)), rng.standard_normal((n, context_dim)) if context_dim else None


def painted_knots(n_bins=6, scale=1.5):
    """The knots of one spline, from painted outputs."""
    rng = np.random.default_rng(5)
    slopes = np.concatenate(([[[1.0]]], np.exp(rng.standard_normal((1, n_bins - 1, 1))), [[[1.0]]]), axis=1)
    return *(NSF.bins(scale * rng.standard_normal((1, n_bins, 1))) for _ in range(2)), slopes


def on_line(function, knots, values):
    """The value and the log-slope of one spline at many places."""
    repeated = [np.repeat(array, len(values), axis=0) for array in (*knots[0], *knots[1], knots[2])]
    return [out[:, 0] for out in function((repeated[:2], repeated[2:4], repeated[4]), values[:, None])]


def test_value_and_slope_are_continuous_at_the_knots():
    knots = painted_knots()
    at, up, slopes = np.append(knots[0][0][0, :, 0], 5.0), np.append(knots[1][0][0, :, 0], 5.0), knots[2][0, :, 0]
    for side in (-1e-11, 1e-11):
        value, log_slope = on_line(NSF.spline, knots, at + side)
        assert np.abs(value - up).max() < 1e-9 and np.abs(np.exp(log_slope) / slopes - 1).max() < 1e-6
    assert slopes.max() / slopes.min() > 5                            # or it would be no test


def test_slope_is_the_derivative_and_positive():
    knots, u = painted_knots(), np.linspace(-5.9, 5.9, 4001)
    value, log_slope = on_line(NSF.spline, knots, u)
    assert (np.diff(value) > 0).all()
    numerical = (on_line(NSF.spline, knots, u + 1e-6)[0] - on_line(NSF.spline, knots, u - 1e-6)[0]) / 2e-6
    assert np.abs(np.exp(log_slope) / numerical - 1).max() < 1e-4
    assert np.array_equal(value[np.abs(u) > 5], u[np.abs(u) > 5]) and not log_slope[np.abs(u) > 5].any()


def test_the_inverse_spline_is_accurate_where_the_textbook_root_cancels():
    """One steep knot beside a flat bin: b < 0 in the quadratic equation."""
    shares = np.log(np.array([1.0, 8.0, 1.0]))[None, :, None]
    knots = (NSF.bins(shares), NSF.bins(-shares), np.array([1.0, 1e4, 1e3, 1.0])[None, :, None])
    z = np.linspace(-4.999, 4.999, 2001)
    assert np.abs(on_line(NSF.spline, knots, on_line(NSF.spline_inverse, knots, z)[0])[0] - z).max() < 1e-10


@pytest.mark.parametrize("context_dim", [0, 2])
def test_jacobian_is_triangular_and_log_det_is_its_own(context_dim):
    for n_transforms in (1, 3):
        params = flow(context_dim=context_dim, n_transforms=n_transforms)
        x, c = inputs(6, context_dim=context_dim)
        log_det = NSF.forward(params, x, c)[1]
        for i in range(6):
            row = None if c is None else c[i:i + 1]
            found = jacobian(lambda v, row=row, params=params: NSF.forward(params, v[None], row)[0][0])(x[i])
            assert n_transforms > 1 or np.abs(np.triu(found, 1)).max() == 0
            assert abs(np.linalg.slogdet(found)[1] - log_det[i]) < 1e-10


@BOTH
@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("context_dim", [0, 2])
def test_inverse_undoes_forward(package, dim, context_dim):
    params, (x, c) = flow(dim, context_dim), inputs(200, dim, context_dim)
    z, log_det = package.density.nsf.forward(params, x, c)
    back, back_log_det = package.density.nsf.inverse(params, z, c)
    assert np.abs(back - x).max() < 1e-9 and np.abs(back_log_det + log_det).max() < 1e-9


def test_density_integrates_to_one():
    params, c = flow(2, scale=0.4), np.array([[0.3, -1.2]])
    grid = np.linspace(-15, 15, 801)
    x = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    p = np.exp(accel.density.nsf.log_prob(params, x, np.repeat(c, len(x), axis=0))).reshape(801, 801)
    assert abs(integrate.simpson(integrate.simpson(p, x=grid), x=grid) - 1) < 1e-4      # its slope has a kink at each knot


@BOTH
def test_a_fresh_density_is_the_standard_normal(package):
    params = package.density.nsf.init_params(np.random.default_rng(0), dim=3, context_dim=2)
    x, c = inputs(200)
    z, log_det = package.density.nsf.forward(params, x, c)
    assert_close(z, x, terms=10)
    assert np.abs(log_det).max() < 1e-13
    assert_close(package.density.nsf.log_prob(params, x, c), stats.norm.logpdf(x).sum(axis=1), terms=10)


@BOTH
def test_with_straight_splines_it_is_the_masked_autoregressive_flow(package):
    """The layers of a MAF, their last one widened by zeros for the splines."""
    maf, nsf = package.density.maf, package.density.nsf
    plain = random_tree(np.random.default_rng(1), maf.init_params(np.random.default_rng(0), dim=3, context_dim=2, n_transforms=2), 0.3)

    def widened(last):
        return np.concatenate((last.reshape(-1, 2, 3), np.zeros((len(last), 23, 3))), axis=1)
    params = {"mades": [[*layers[:-1], widened(layers[-1])] for layers in plain["mades"]]}
    x, c = inputs(50)
    assert_close(nsf.log_prob(params, x, c), maf.log_prob(plain, x, c), terms=100)


@BOTH
def test_samples_have_the_density_of_log_prob(package):
    """Kolmogorov–Smirnov: samples mapped back to the Gaussian must be standard normal; a shifted context must fail."""
    nsf, params = package.density.nsf, flow()
    c = np.array([[0.5, -1.0], [2.0, 0.3]])
    x = nsf.sample(params, np.random.default_rng(4), 2000, c)
    assert x.shape == (2, 2000, 3)
    z = nsf.forward(params, x[0], np.repeat(c[:1], 2000, axis=0))[0]
    assert min(stats.kstest(z[:, i], "norm").pvalue for i in range(3)) > 1e-3
    wrong = nsf.forward(params, x[0], np.repeat(c[1:], 2000, axis=0))[0]
    assert min(stats.kstest(wrong[:, i], "norm").pvalue for i in range(3)) < 1e-6


@BOTH
def test_gradient_is_the_central_difference(package):
    nsf, tree, params = package.density.nsf, package.runtime.tree, flow()
    x, c = inputs(9)
    flat, grads = tree.ravel(params), tree.ravel(nsf.loss_and_grad(params, x, c)[1])
    for seed in range(3):
        direction = np.random.default_rng(seed).standard_normal(flat.size)
        value = [nsf.loss(tree.unravel(flat + step * direction, params), x, c) for step in (1e-5, -1e-5)]
        slope = (value[0] - value[1]) / 2e-5
        assert abs(slope - grads @ direction) < 1e-7 * max(1, abs(slope))


@BOTH
def test_a_density_that_no_made_can_reach_is_learnt(package):
    """Two separate normals in one dimension, their places set by the context: one spline transform against one MADE."""
    def draw(seed, n):
        rng = np.random.default_rng(seed)
        c, side = rng.standard_normal((n, 1)), np.where(rng.random((n, 1)) < 0.3, -1.2, 0.8)
        x = side + 0.3 * c + 0.25 * rng.standard_normal((n, 1))
        return x, c, np.log(0.3 * stats.norm.pdf(x, 0.3 * c - 1.2, 0.25) + 0.7 * stats.norm.pdf(x, 0.3 * c + 0.8, 0.25))[:, 0]

    def gap(density, **settings):
        params = density.init_params(np.random.default_rng(1), dim=1, context_dim=1, hidden=(16,), **settings)
        trained = package.training.minibatch.train(density, params, draw(8, 3000)[:2], rng=np.random.default_rng(2), learning_rate=1e-2,
                                              max_epochs=15, schedule=package.training.optim.cosine)
        x, c, exact = draw(9, 5000)
        return np.mean(exact - density.log_prob(trained.params, x, c))
    assert 0 < gap(package.density.nsf, n_transforms=1) < 0.05 < 0.3 < gap(package.density.made)


@BOTH
@pytest.mark.parametrize("settings", [{"dim": 0}, {"n_bins": 1}, {"n_bins": 8.0}, {"n_transforms": 0}, {"hidden": ()}])
def test_bad_architecture_is_refused(package, settings):
    with pytest.raises(ValueError, match="expected"):
        package.density.nsf.init_params(np.random.default_rng(0), **{"dim": 2, **settings})


def test_work_arrays_follow_the_batch_size():
    """One frozen tree, batches of several sizes in turn: nothing of an earlier batch may remain."""
    plain = flow()
    frozen = accel.runtime.tree.frozen(plain)
    for n in (5, 17, 1, 1500, 5):
        x, c = inputs(n)
        assert_close(accel.density.nsf.log_prob(frozen, x, c), NSF.log_prob(plain, x, c), terms=1000)
        (value, grads), expected = accel.density.nsf.loss_and_grad(frozen, x, c), NSF.loss_and_grad(plain, x, c)
        assert_close(value, expected[0], terms=1000)
        assert_close(accel.runtime.tree.ravel(grads), reference.runtime.tree.ravel(expected[1]), terms=1000)
