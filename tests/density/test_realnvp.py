"""RealNVP against what does not depend on it: autodiff Jacobians, quadrature, SciPy's normal, a mixture that
is known."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from accel.runtime import _vector
from tests.agreement.comparator import assert_close
from tests.support import flow_checks
from tests.support.flow_checks import BOTH, inputs

SHAPES = pytest.mark.parametrize("dim, context_dim", [(1, 2), (2, 0), (2, 2), (3, 0), (3, 2), (6, 1)])
NVP = reference.density.realnvp


def flow(dim=3, context_dim=2, scale=0.5, hidden=(11, 9), n_transforms=4):
    return flow_checks.parameters("realnvp", dim, context_dim, scale, hidden, n_transforms=n_transforms)


@SHAPES
def test_the_log_det_is_that_of_the_autodiff_jacobian(dim, context_dim):
    flow_checks.check_log_det(NVP, flow(dim, context_dim), *inputs(5, dim, context_dim))


@BOTH
@SHAPES
def test_inverse_undoes_forward(package, dim, context_dim):
    flow_checks.check_inverse(package.density.realnvp, flow(dim, context_dim), *inputs(50, dim, context_dim))


@BOTH
@pytest.mark.parametrize("dim", [2, 3, 5])
def test_each_coupling_keeps_one_half_and_moves_the_rest(package, dim):
    """Two couplings: the second keeps what the first moved, so that the first dimensions of z are moved once,
    by it alone."""
    nvp, params, (x, c) = package.density.realnvp, flow(dim, n_transforms=2), inputs(20, dim)
    first = {"couplings": [params["couplings"][0], [0 * layer for layer in params["couplings"][1]]]}
    y, z, d = nvp.forward(first, x, c)[0], nvp.forward(params, x, c)[0], dim // 2
    assert np.array_equal(y[:, :d], x[:, :d]) and np.abs(y[:, d:] - x[:, d:]).min() > 0
    assert np.array_equal(z[:, d:], y[:, d:]) and np.abs(z[:, :d] - y[:, :d]).min() > 0


@BOTH
def test_the_density_integrates_to_one(package):
    flow_checks.check_mass(package.density.realnvp, flow(2, scale=0.4))


@BOTH
@SHAPES
def test_a_fresh_flow_is_the_identity(package, dim, context_dim):
    flow_checks.check_fresh(package.density.realnvp, dim, context_dim)


@BOTH
def test_one_dimension_is_a_normal_whose_mean_and_width_follow_the_context(package):
    nvp, params, c = package.density.realnvp, flow(1), np.array([[0.5, -1.0]])
    assert len(params["couplings"]) == 1
    mean, above = (nvp.inverse(params, np.array([[z]]), c)[0][0, 0] for z in (0.0, 1.0))
    grid = np.linspace(-3, 3, 7)[:, None]
    expected = stats.norm.logpdf(grid[:, 0], mean, above - mean)
    assert_close(nvp.log_prob(params, grid, np.repeat(c, 7, axis=0)), expected, terms=100)
    assert np.abs(nvp.log_prob(params, grid, np.repeat(-c, 7, axis=0)) - expected).min() > 1e-3


@BOTH
def test_the_scale_is_bounded(package):
    """Huge weights: each coupling stretches by at most e⁵, so that nothing overflows either way."""
    nvp, params, (x, c) = package.density.realnvp, flow(4, scale=500.0), inputs(50, 4)
    for function in (nvp.forward, nvp.inverse):
        out, log_det = function(params, x, c)
        assert np.isfinite(out).all() and np.abs(log_det).max() <= 4 * 2 * 5.0 + 1e-9


@BOTH
def test_samples_have_the_density_of_log_prob(package):
    flow_checks.check_samples(package.density.realnvp, flow())


@BOTH
@SHAPES
def test_gradient_is_the_central_difference(package, dim, context_dim):
    params = flow(dim, context_dim)
    flow_checks.check_gradient(package, package.density.realnvp, params, *inputs(6, dim, context_dim))


@BOTH
@pytest.mark.parametrize(("dim", "context_dim"), [(3, 2), (2, 0), (1, 2)])
def test_gradients_by_row_are_central_differences(package, dim, context_dim):
    params = flow(dim, context_dim, 0.3, (7, 5))
    flow_checks.check_gradients_by_row(package.density.realnvp, params, *inputs(6, dim, context_dim))


def test_gradient_of_the_context_is_the_central_difference():
    """What an embedding network in front of the flow is trained with."""
    nvp, params, (x, c), dcontext = accel.density.realnvp, flow(), inputs(6), np.empty((2, 6))
    nvp.write_grads(params, _vector.empty_like(params), x, c, dcontext)
    for i, j in ((0, 0), (3, 1), (5, 0)):
        step = np.zeros_like(c)
        step[i, j] = 1e-5
        slope = (NVP.loss(params, x, c + step) - NVP.loss(params, x, c - step)) / 2e-5
        assert abs(slope - dcontext[j, i]) < 1e-8


def mixture(seed, n):
    """Three normals in the plane, the third long and tilted, and their exact log-density."""
    rng = np.random.default_rng(seed)
    parts = [(0.4, [-1.0, -0.5], [[0.25, 0.0], [0.0, 0.5]]), (0.3, [1.0, 1.0], [[0.4, -0.2], [-0.2, 0.3]]),
             (0.3, [0.8, -0.8], [[0.6, 0.45], [0.45, 0.5]])]
    which = rng.choice(3, size=n, p=[weight for weight, _, _ in parts])
    draws = np.stack([rng.multivariate_normal(mean, cov, size=n) for _, mean, cov in parts])
    x = draws[which, np.arange(n)]
    return x, np.log(sum(weight * stats.multivariate_normal.pdf(x, mean, cov) for weight, mean, cov in parts))


@pytest.mark.parametrize("package", [pytest.param(reference, marks=pytest.mark.slow), accel],
                         ids=["reference", "accel"])
def test_a_mixture_is_learnt(package):
    """Within 0.05 nats of the exact density on fresh data, where a single normal with the right moments is
    further away."""
    nvp, (x, _), (fresh, exact) = package.density.realnvp, mixture(8, 6000), mixture(9, 20000)
    params = nvp.init_params(np.random.default_rng(1), dim=2, n_transforms=6, hidden=(24, 24))
    trained = package.training.minibatch.train(
        nvp, params, (x,), rng=np.random.default_rng(2), learning_rate=5e-3, max_epochs=40,
        schedule=package.training.optim.cosine)
    assert 0 < np.mean(exact - nvp.log_prob(trained.params, fresh)) < 0.05
    assert np.mean(exact - stats.multivariate_normal.logpdf(fresh, x.mean(axis=0), np.cov(x.T))) > 0.1


@BOTH
@pytest.mark.parametrize("settings",
                         [{"dim": 0}, {"dim": 1}, {"dim": 2.0}, {"context_dim": -1}, {"n_transforms": 1},
                          {"hidden": ()}, {"dim": 1, "context_dim": 1, "n_transforms": 0}])
def test_bad_architecture_is_refused(package, settings):
    flow_checks.check_architecture(package.density.realnvp, settings)


@BOTH
def test_bad_inputs_are_refused(package):
    flow_checks.check_refusals(package.density.realnvp, flow(), flow(context_dim=0))


def test_batches_of_several_sizes_in_turn():
    flow_checks.check_batches_in_turn("realnvp", flow(), (5, 17, 1, 17, 3000, 5))
