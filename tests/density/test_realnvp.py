"""RealNVP against what does not depend on it: autodiff Jacobians, quadrature, SciPy's normal, a mixture that is known."""
import numpy as np
import pytest
from autograd import jacobian
from scipy import integrate, stats

import accel
import reference
from accel.runtime._vector import empty_like
from tests.agreement.comparator import assert_close
from tests.agreement.registry import random_tree

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
SHAPES = pytest.mark.parametrize("dim, context_dim", [(1, 2), (2, 0), (2, 2), (3, 0), (3, 2), (6, 1)])
NVP = reference.density.realnvp


def flow(dim=3, context_dim=2, scale=0.5, n_transforms=4, package=reference):
    """Painted parameters, far from the identity."""
    tree = package.density.realnvp.init_params(np.random.default_rng(0), dim=dim, context_dim=context_dim, n_transforms=n_transforms,
                                               hidden=(11, 9))
    return random_tree(np.random.default_rng(1), tree, scale)


def inputs(n, dim=3, context_dim=2, seed=2):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, dim)), rng.standard_normal((n, context_dim)) if context_dim else None


@SHAPES
def test_log_det_is_that_of_the_autodiff_jacobian(dim, context_dim):
    params, (x, c) = flow(dim, context_dim), inputs(5, dim, context_dim)
    log_det = NVP.forward(params, x, c)[1]
    for i in range(5):
        row = None if c is None else c[i:i + 1]
        found = jacobian(lambda v, row=row: NVP.forward(params, v[None], row)[0][0])(x[i])
        assert abs(np.linalg.slogdet(found)[1] - log_det[i]) < 1e-10


@BOTH
@SHAPES
def test_inverse_undoes_forward(package, dim, context_dim):
    nvp, params, (x, c) = package.density.realnvp, flow(dim, context_dim), inputs(50, dim, context_dim)
    z, log_det = nvp.forward(params, x, c)
    back, back_log_det = nvp.inverse(params, z, c)
    assert np.abs(z - x).max() > 0.1 and np.abs(back - x).max() < 1e-9 and np.abs(back_log_det + log_det).max() < 1e-9


@BOTH
@pytest.mark.parametrize("dim", [2, 3, 5])
def test_each_coupling_keeps_one_half_and_moves_the_rest(package, dim):
    """Two couplings: the second keeps what the first moved, so that the first dimensions of z are moved once, by it alone."""
    nvp, params, (x, c) = package.density.realnvp, flow(dim, n_transforms=2), inputs(20, dim)
    first = {"couplings": [params["couplings"][0], [0 * layer for layer in params["couplings"][1]]]}
    y, z, d = nvp.forward(first, x, c)[0], nvp.forward(params, x, c)[0], dim // 2
    assert np.array_equal(y[:, :d], x[:, :d]) and np.abs(y[:, d:] - x[:, d:]).min() > 0
    assert np.array_equal(z[:, d:], y[:, d:]) and np.abs(z[:, :d] - y[:, :d]).min() > 0


@BOTH
def test_work_on_columns_leaves_the_arguments_alone(package):
    nvp, params, (x, c) = package.density.realnvp, flow(), inputs(9)
    copies = x.copy(), c.copy(), package.runtime.tree.ravel(params).copy()
    for function in (nvp.forward, nvp.inverse, nvp.loss_and_grad):
        function(params, x, c)
    assert all(np.array_equal(a, b) for a, b in zip(copies, (x, c, package.runtime.tree.ravel(params))))


@BOTH
def test_density_integrates_to_one(package):
    params, grid = flow(2, scale=0.4), np.linspace(-25, 25, 801)
    x = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    p = np.exp(package.density.realnvp.log_prob(params, x, np.repeat([[0.3, -1.2]], len(x), axis=0))).reshape(801, 801)
    assert abs(integrate.simpson(integrate.simpson(p, x=grid), x=grid) - 1) < 1e-6


@BOTH
@SHAPES
def test_a_fresh_flow_is_the_identity(package, dim, context_dim):
    nvp, (x, c) = package.density.realnvp, inputs(20, dim, context_dim)
    params = nvp.init_params(np.random.default_rng(0), dim=dim, context_dim=context_dim)
    z, log_det = nvp.forward(params, x, c)
    assert np.array_equal(z, x) and np.all(log_det == 0)
    assert_close(nvp.log_prob(params, x, c), stats.norm.logpdf(x).sum(axis=1), terms=10)


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
    """Kolmogorov–Smirnov: samples mapped back to the Gaussian must be standard normal; a shifted context must fail."""
    nvp, params = package.density.realnvp, flow()
    c = np.array([[0.5, -1.0], [2.0, 0.3]])
    x = nvp.sample(params, np.random.default_rng(4), 2000, c)
    assert x.shape == (2, 2000, 3)
    z = nvp.forward(params, x[0], np.repeat(c[:1], 2000, axis=0))[0]
    assert min(stats.kstest(z[:, i], "norm").pvalue for i in range(3)) > 1e-3
    wrong = nvp.forward(params, x[0], np.repeat(c[1:], 2000, axis=0))[0]
    assert min(stats.kstest(wrong[:, i], "norm").pvalue for i in range(3)) < 1e-6


@BOTH
@SHAPES
def test_gradient_is_the_central_difference(package, dim, context_dim):
    nvp, tree, params, (x, c) = package.density.realnvp, package.runtime.tree, flow(dim, context_dim), inputs(6, dim, context_dim)
    flat, grads = tree.ravel(params), tree.ravel(nvp.loss_and_grad(params, x, c)[1])
    direction = np.random.default_rng(7).standard_normal(flat.size)
    value = [nvp.loss(tree.unravel(flat + step * direction, params), x, c) for step in (1e-5, -1e-5)]
    slope = (value[0] - value[1]) / 2e-5
    assert abs(slope - grads @ direction) < 1e-7 * max(1, abs(slope))


def test_gradient_of_the_context_is_the_central_difference():
    """What an embedding network in front of the flow is trained with."""
    nvp, tree, (x, c) = accel.density.realnvp, accel.runtime.tree, inputs(6)
    params, dcontext = tree.frozen(flow()), np.empty((2, 6))
    nvp.write_grads(params, empty_like(params), x, c, dcontext)
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


@pytest.mark.parametrize("package", [pytest.param(reference, marks=pytest.mark.slow), accel], ids=["reference", "accel"])
def test_a_mixture_is_learnt(package):
    """Within 0.05 nats of the exact density on fresh data, where a single normal with the right moments is further away."""
    nvp, (x, _), (fresh, exact) = package.density.realnvp, mixture(8, 6000), mixture(9, 20000)
    params = nvp.init_params(np.random.default_rng(1), dim=2, n_transforms=6, hidden=(24, 24))
    trained = package.training.minibatch.train(nvp, params, (x,), rng=np.random.default_rng(2), learning_rate=5e-3, max_epochs=40,
                                          schedule=package.training.optim.cosine)
    assert 0 < np.mean(exact - nvp.log_prob(trained.params, fresh)) < 0.05
    assert np.mean(exact - stats.multivariate_normal.logpdf(fresh, x.mean(axis=0), np.cov(x.T))) > 0.1


@BOTH
@pytest.mark.parametrize("settings", [{"dim": 0}, {"dim": 1}, {"dim": 2.0}, {"context_dim": -1}, {"n_transforms": 1}, {"hidden": ()},
                                      {"dim": 1, "context_dim": 1, "n_transforms": 0}])
def test_bad_architecture_is_refused(package, settings):
    with pytest.raises(ValueError, match="expected"):
        package.density.realnvp.init_params(np.random.default_rng(0), **{"dim": 2, **settings})


@BOTH
def test_bad_inputs_are_refused(package):
    nvp, params, plain, (x, c) = package.density.realnvp, flow(), flow(context_dim=0), inputs(5)
    for function in (nvp.log_prob, nvp.loss, nvp.loss_and_grad):
        for arguments, name in (((params, x[:, :2], c), "x: "), ((params, x), "context: "), ((params, x, c[:4]), "context: "),
                                ((params, x, x), "context: "), ((plain, x, c), "context: "), ((plain, x > 0), "x: ")):
            with pytest.raises(ValueError, match=f"^{name}expected"):
                function(*arguments)
    for arguments in ((params, 3), (params, 3, x), (plain, 3, c), (plain, -1)):
        with pytest.raises(ValueError, match="expected"):
            nvp.sample(arguments[0], np.random.default_rng(0), *arguments[1:])


def test_work_arrays_follow_the_batch_size():
    """One frozen tree, batches of several sizes in turn: nothing of an earlier batch may remain."""
    plain = flow()
    frozen = accel.runtime.tree.frozen(plain)
    for n in (5, 17, 1, 17, 3000, 5):
        x, c = inputs(n, seed=n)
        assert_close(accel.density.realnvp.log_prob(frozen, x, c), NVP.log_prob(plain, x, c), terms=1000)
        (value, grads), expected = accel.density.realnvp.loss_and_grad(frozen, x, c), NVP.loss_and_grad(plain, x, c)
        assert_close(value, expected[0], terms=1000)
        assert_close(accel.runtime.tree.ravel(grads), reference.runtime.tree.ravel(expected[1]), terms=1000)
