"""MADE and MAF against what does not depend on them: autodiff Jacobians, quadrature, a known conditional density."""
import numpy as np
import pytest
from autograd import jacobian
from scipy import integrate, stats

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.agreement.registry import random_tree

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
CONTEXT = {True: 2, False: 0}


def flow(name, dim=4, context=True, scale=0.5, **settings):
    density = getattr(reference.density, name)
    tree = density.init_params(np.random.default_rng(0), dim=dim, context_dim=CONTEXT[context], hidden=(11, 9), **settings)
    return density, random_tree(np.random.default_rng(1), tree, scale)


def inputs(n, dim=4, context=True, seed=2):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, dim)), rng.standard_normal((n, CONTEXT[context])) if context else None


@pytest.mark.parametrize("context", [True, False])
def test_made_jacobian_is_triangular(context):
    made, params = flow("made", context=context)
    x, c = inputs(1, context=context)
    found = jacobian(lambda v: made.forward(params, v[None], c)[0][0])(x[0])
    assert np.abs(np.triu(found, 1)).max() == 0 and np.abs(found[np.tril_indices(4, -1)]).min() > 1e-6


def test_the_masks_are_needed_for_that():
    made, params = flow("made")
    x, c = inputs(1)
    layers = params["layers"]

    def unmasked(v):
        return reference.nets.dense.mlp(layers, np.concatenate((c, v[None]), axis=1))[0, :4]
    assert np.abs(np.triu(numerical_jacobian(unmasked, x[0]), 1)).max() > 1e-3


def numerical_jacobian(function, x, step=1e-6):
    return np.stack([(function(x + step * e) - function(x - step * e)) / (2 * step) for e in np.eye(len(x))], axis=1)


@pytest.mark.parametrize("name", ["made", "maf"])
@pytest.mark.parametrize("context", [True, False])
def test_log_det_is_that_of_the_autodiff_jacobian(name, context):
    density, params = flow(name, context=context)
    x, c = inputs(5, context=context)
    log_det = density.forward(params, x, c)[1]
    for i in range(5):
        row = None if c is None else c[i:i + 1]
        found = jacobian(lambda v, row=row: density.forward(params, v[None], row)[0][0])(x[i])
        assert abs(np.linalg.slogdet(found)[1] - log_det[i]) < 1e-10


@BOTH
@pytest.mark.parametrize("name", ["made", "maf"])
@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("context", [True, False])
def test_inverse_undoes_forward(package, name, dim, context):
    _, params = flow(name, dim=dim, context=context)
    density = getattr(package.density, name)
    x, c = inputs(50, dim, context)
    z, log_det = density.forward(params, x, c)
    back, back_log_det = density.inverse(params, z, c)
    assert np.abs(back - x).max() < 1e-9 and np.abs(back_log_det + log_det).max() < 1e-9


@pytest.mark.parametrize("name", ["made", "maf"])
def test_density_integrates_to_one(name):
    density, params = flow(name, dim=2, scale=0.4)
    c = np.array([[0.3, -1.2]])
    grid = np.linspace(-25, 25, 801)
    x = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    p = np.exp(density.log_prob(params, x, np.repeat(c, len(x), axis=0))).reshape(801, 801)
    assert abs(integrate.simpson(integrate.simpson(p, x=grid), x=grid) - 1) < 1e-6


@BOTH
@pytest.mark.parametrize("name", ["made", "maf"])
def test_a_fresh_density_is_the_standard_normal(package, name):
    density = getattr(package.density, name)
    params = density.init_params(np.random.default_rng(0), dim=3, context_dim=2)
    x, c = inputs(20, 3)
    assert_close(density.log_prob(params, x, c), stats.norm.logpdf(x).sum(axis=1), terms=10)


@pytest.mark.parametrize("name", ["made", "maf"])
def test_first_dimension_sees_the_context_through_the_network(name):
    """With a context, even one MADE must bend its first conditional with it, not only shift it."""
    made, params = flow("made", dim=3)
    c = np.linspace(-2, 2, 9)[:, None] * np.ones((1, 2))
    mu, _ = made.conditionals(params, np.zeros((9, 3)), c)
    assert np.abs(np.diff(mu[:, 0], 2)).max() > 1e-3


@BOTH
@pytest.mark.parametrize("name", ["made", "maf"])
def test_samples_have_the_density_of_log_prob(package, name):
    """Kolmogorov–Smirnov: samples mapped back to the Gaussian must be standard normal; a shifted context must fail."""
    density, (_, params) = getattr(package.density, name), flow(name)
    c = np.array([[0.5, -1.0], [2.0, 0.3]])
    x = density.sample(params, np.random.default_rng(4), 2000, c)
    assert x.shape == (2, 2000, 4)
    z = density.forward(params, x[0], np.repeat(c[:1], 2000, axis=0))[0]
    assert min(stats.kstest(z[:, i], "norm").pvalue for i in range(4)) > 1e-3
    wrong = density.forward(params, x[0], np.repeat(c[1:], 2000, axis=0))[0]
    assert min(stats.kstest(wrong[:, i], "norm").pvalue for i in range(4)) < 1e-6


@pytest.mark.parametrize("name", ["made", "maf"])
def test_gradient_is_the_central_difference(name):
    density, params = flow(name, dim=3)
    x, c = inputs(6, 3)
    from reference.runtime import tree
    flat, (_, grads) = tree.ravel(params), density.loss_and_grad(params, x, c)
    direction = np.random.default_rng(7).standard_normal(flat.size)
    value = [density.loss(tree.unravel(flat + step * direction, params), x, c) for step in (1e-5, -1e-5)]
    slope = (value[0] - value[1]) / 2e-5
    assert abs(slope - tree.ravel(grads) @ direction) < 1e-8 * max(1, abs(slope))


def linear_gaussian(seed, n):
    """x₁ | c and x₂ | x₁, c, both linear with normal noise, and their exact log-density."""
    rng = np.random.default_rng(seed)
    c = rng.standard_normal((n, 1))
    x1 = 0.8 * c + 0.5 * rng.standard_normal((n, 1))
    x2 = -0.6 * x1 + 0.3 * c + 0.25 * rng.standard_normal((n, 1))
    exact = stats.norm.logpdf(x1, 0.8 * c, 0.5) + stats.norm.logpdf(x2, -0.6 * x1 + 0.3 * c, 0.25)
    return np.concatenate((x1, x2), axis=1), c, exact[:, 0]


@BOTH
def test_a_conditional_gaussian_is_learnt(package):
    """One MADE can represent it, so its density must reach the exact one on fresh data, within what 8,000 samples allow."""
    x, c, _ = linear_gaussian(8, 8000)
    made = package.density.made
    params = made.init_params(np.random.default_rng(1), dim=2, context_dim=1, hidden=(16, 16))
    trained = package.training.minibatch.train(made, params, (x, c), rng=np.random.default_rng(2), learning_rate=1e-2, max_epochs=40,
                                          schedule=package.training.optim.cosine)
    x, c, exact = linear_gaussian(9, 20000)
    assert 0 < np.mean(exact - made.log_prob(trained.params, x, c)) < 0.01


@BOTH
def test_masked_weights_stay_zero_in_training(package):
    maf = package.density.maf
    params = maf.init_params(np.random.default_rng(0), dim=3, context_dim=2, hidden=(8, 6))
    trained = package.training.minibatch.train(maf, params, inputs(60, 3), rng=np.random.default_rng(1), max_epochs=3, batch_size=10,
                                          validation_fraction=0.0)
    for layers in trained.params["mades"]:
        for layer, mask in zip(layers, reference.density.made.masks({"layers": layers})):
            assert np.all(np.asarray(layer)[1:][mask == 0] == 0) and np.any(np.asarray(layer)[1:][mask == 1] != 0)


@BOTH
@pytest.mark.parametrize("settings", [{"dim": 0}, {"dim": 2, "context_dim": -1}, {"dim": 2, "hidden": ()}, {"dim": 2.0}])
def test_bad_architecture_is_refused(package, settings):
    for density in (package.density.made, package.density.maf):
        with pytest.raises(ValueError, match="expected"):
            density.init_params(np.random.default_rng(0), **settings)


def test_work_arrays_follow_the_batch_size():
    """One frozen tree, batches of several sizes in turn: nothing of an earlier batch may remain."""
    _, plain = flow("maf")
    frozen = accel.runtime.tree.frozen(plain)
    for n in (5, 17, 1, 17, 3000, 5):
        x, c = inputs(n, seed=n)
        for function in (accel.density.maf.loss, accel.density.maf.log_prob):
            assert_close(function(frozen, x, c), getattr(reference.density.maf, function.__name__)(plain, x, c), terms=1000)
        value, grads = accel.density.maf.loss_and_grad(frozen, x, c)
        expected = reference.density.maf.loss_and_grad(plain, x, c)
        assert_close(value, expected[0], terms=1000)
        assert_close(accel.runtime.tree.ravel(grads), reference.runtime.tree.ravel(expected[1]), terms=1000)
