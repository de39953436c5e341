"""The neural spline flow against what does not depend on it: autodiff Jacobians, quadrature, a known density
no MADE can reach."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.support import flow_checks
from tests.support.flow_checks import BOTH

NSF = reference.density.nsf


def flow(dim=3, context_dim=2, scale=0.5, n_bins=5, n_transforms=2):
    return flow_checks.parameters("nsf", dim, context_dim, scale, n_bins=n_bins, n_transforms=n_transforms)


def inputs(n, dim=3, context_dim=2):
    """Rows inside the splines' interval and beyond it."""
    return flow_checks.inputs(n, dim, context_dim, spread=2.0)


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
    at = np.append(knots[0][0][0, :, 0], 5.0)
    up, slopes = np.append(knots[1][0][0, :, 0], 5.0), knots[2][0, :, 0]
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
        found = flow_checks.jacobians(NSF, params, x, c)
        assert n_transforms > 1 or np.abs(np.triu(found, 1)).max() == 0
        flow_checks.check_log_det(NSF, params, x, c)


@BOTH
@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("context_dim", [0, 2])
def test_inverse_undoes_forward(package, dim, context_dim):
    flow_checks.check_inverse(package.density.nsf, flow(dim, context_dim), *inputs(200, dim, context_dim))


def test_density_integrates_to_one():
    """To 1e-4: its slope has a kink at each knot."""
    flow_checks.check_mass(accel.density.nsf, flow(2, scale=0.4), half_width=15, tolerance=1e-4)


@BOTH
def test_a_fresh_density_is_the_standard_normal(package):
    flow_checks.check_fresh(package.density.nsf)


@BOTH
def test_with_straight_splines_it_is_the_masked_autoregressive_flow(package):
    """The layers of a MAF, their last one widened by zeros for the splines."""
    maf, nsf = package.density.maf, package.density.nsf
    plain = flow_checks.parameters("maf", scale=0.3, hidden=(50, 50), n_transforms=2)

    def widened(last):
        return np.concatenate((last.reshape(-1, 2, 3), np.zeros((len(last), 23, 3))), axis=1)
    params = {"mades": [[*layers[:-1], widened(layers[-1])] for layers in plain["mades"]]}
    x, c = inputs(50)
    assert_close(nsf.log_prob(params, x, c), maf.log_prob(plain, x, c), terms=100)


@BOTH
def test_samples_have_the_density_of_log_prob(package):
    flow_checks.check_samples(package.density.nsf, flow())


@BOTH
def test_gradient_is_the_central_difference(package):
    flow_checks.check_gradient(package, package.density.nsf, flow(), *inputs(9), seeds=range(3))


@BOTH
@pytest.mark.parametrize(("dim", "context_dim"), [(3, 2), (2, 0), (1, 2)])
def test_gradients_by_row_are_central_differences(package, dim, context_dim):
    params = flow_checks.parameters("nsf", dim, context_dim, 0.3, (7, 5))
    flow_checks.check_gradients_by_row(package.density.nsf, params, *flow_checks.inputs(6, dim, context_dim))


@BOTH
def test_a_density_that_no_made_can_reach_is_learnt(package):
    """Two separate normals in one dimension, their places set by the context: one spline transform against
    one MADE."""
    def draw(seed, n):
        rng = np.random.default_rng(seed)
        c, side = rng.standard_normal((n, 1)), np.where(rng.random((n, 1)) < 0.3, -1.2, 0.8)
        x = side + 0.3 * c + 0.25 * rng.standard_normal((n, 1))
        return x, c, np.log(0.3 * stats.norm.pdf(x, 0.3 * c - 1.2, 0.25) + 0.7 * stats.norm.pdf(x,
                                                                                                0.3 * c + 0.8,
                                                                                                0.25))[:, 0]

    def gap(density, **settings):
        params = density.init_params(np.random.default_rng(1), dim=1, context_dim=1, hidden=(16,), **settings)
        trained = package.training.minibatch.train(density, params, draw(8, 3000)[:2],
                                                   rng=np.random.default_rng(2), learning_rate=1e-2,
                                                   max_epochs=15, schedule=package.training.optim.cosine)
        x, c, exact = draw(9, 5000)
        return np.mean(exact - density.log_prob(trained.params, x, c))
    assert 0 < gap(package.density.nsf, n_transforms=1) < 0.05 < 0.3 < gap(package.density.made)


@BOTH
@pytest.mark.parametrize("settings",
                         [{"dim": 0}, {"n_bins": 1}, {"n_bins": 8.0}, {"n_transforms": 0}, {"hidden": ()}])
def test_bad_architecture_is_refused(package, settings):
    flow_checks.check_architecture(package.density.nsf, settings)


@BOTH
def test_bad_inputs_are_refused(package):
    flow_checks.check_refusals(package.density.nsf, flow(), flow(context_dim=0))


def test_batches_of_several_sizes_in_turn():
    flow_checks.check_batches_in_turn("nsf", flow(), (5, 17, 1, 1500, 5))
