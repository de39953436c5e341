"""What holds for every flow, checked against what does not depend on it: autodiff, quadrature, SciPy's
normal.

Each check takes the module of a density in either package and parameters; inputs come from `inputs`, and
parameters far from the identity from `parameters`.
"""
import numpy as np
import pytest
from autograd import jacobian
from scipy import integrate, stats

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.agreement.registry import random_tree

__all__ = ["BOTH", "parameters", "inputs", "jacobians", "check_log_det", "check_inverse", "check_mass",
           "check_fresh", "check_samples", "check_gradient", "check_gradients_by_row", "check_architecture",
           "check_refusals", "check_batches_in_turn"]

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def parameters(name, dim=3, context_dim=2, scale=0.5, hidden=(11, 9), **settings):
    """A tree of random parameters for a density."""
    density = getattr(reference.density, name)
    tree = density.init_params(np.random.default_rng(0), dim=dim, context_dim=context_dim, hidden=hidden,
                               **settings)
    return random_tree(np.random.default_rng(1), tree, scale)


def inputs(n, dim=3, context_dim=2, *, spread=1.0, seed=2):
    """x (n, dim) and a context (n, context_dim), None without one."""
    rng = np.random.default_rng(seed)
    x = spread * rng.standard_normal((n, dim))
    return x, rng.standard_normal((n, context_dim)) if context_dim else None


def jacobians(density, params, x, context):
    """∂z/∂x of each row by autodiff, (n, D, D)."""
    rows = [None if context is None else context[i:i + 1] for i in range(len(x))]
    return np.stack([jacobian(lambda v, row=row: density.forward(params, v[None], row)[0][0])(one)
                     for one, row in zip(x, rows)])


def check_log_det(density, params, x, context):
    log_det = density.forward(params, x, context)[1]
    found = np.linalg.slogdet(jacobians(density, params, x, context))[1]
    assert np.abs(found - log_det).max() < 1e-10


def check_inverse(density, params, x, context):
    z, log_det = density.forward(params, x, context)
    back, back_log_det = density.inverse(params, z, context)
    assert np.abs(z - x).max() > 0.1, "the flow is the identity: the check shows nothing"
    assert np.abs(back - x).max() < 1e-9 and np.abs(back_log_det + log_det).max() < 1e-9


def check_mass(density, params, *, half_width=25, tolerance=1e-6):
    """The density of two dimensions, at one value of the context, integrates to 1 by Simpson's rule."""
    grid = np.linspace(-half_width, half_width, 801)
    x = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    p = np.exp(density.log_prob(params, x, np.repeat([[0.3, -1.2]], len(x), axis=0))).reshape(801, 801)
    assert abs(integrate.simpson(integrate.simpson(p, x=grid), x=grid) - 1) < tolerance


def check_fresh(density, dim=3, context_dim=2):
    """With the parameters of init_params the density is the standard normal."""
    params = density.init_params(np.random.default_rng(0), dim=dim, context_dim=context_dim)
    x, context = inputs(20, dim, context_dim, spread=2.0)
    z, log_det = density.forward(params, x, context)
    assert_close(z, x, terms=10)
    assert np.abs(log_det).max() < 1e-13
    assert_close(density.log_prob(params, x, context), stats.norm.logpdf(x).sum(axis=1), terms=10)


def check_samples(density, params, dim=3):
    """Kolmogorov–Smirnov: samples mapped back to the Gaussian are standard normal, and are not under another
    context."""
    contexts = np.array([[0.5, -1.0], [2.0, 0.3]])
    x = density.sample(params, np.random.default_rng(4), 2000, contexts)
    assert x.shape == (2, 2000, dim)
    right, wrong = (density.forward(params, x[0], np.repeat(row[None], 2000, axis=0))[0] for row in contexts)
    assert min(stats.kstest(right[:, i], "norm").pvalue for i in range(dim)) > 1e-3
    assert min(stats.kstest(wrong[:, i], "norm").pvalue for i in range(dim)) < 1e-6


def check_gradient(package, density, params, x, context, seeds=(7,)):
    """The gradient of the loss along a random direction for each seed, against the central difference."""
    tree = package.runtime.tree
    flat, grads = tree.ravel(params), tree.ravel(density.loss_and_grad(params, x, context)[1])
    for seed in seeds:
        direction = np.random.default_rng(seed).standard_normal(flat.size)
        value = [density.loss(tree.unravel(flat + step * direction, params), x, context)
                 for step in (1e-5, -1e-5)]
        slope = (value[0] - value[1]) / 2e-5
        assert abs(slope - grads @ direction) < 1e-7 * max(1, abs(slope))


def check_gradients_by_row(density, params, x, context):
    """The gradients of log p, row by row, with respect to x and to the context, against central
    differences."""
    value, dx, dcontext = density.log_prob_and_grad(params, x, context)
    assert np.allclose(value, density.log_prob(params, x, context), rtol=1e-12)
    assert dx.shape == x.shape and (dcontext is None if context is None else dcontext.shape == context.shape)
    for axis in range(x.shape[1]):
        step = 1e-5 * np.eye(x.shape[1])[axis]
        slope = ((density.log_prob(params, x + step, context) - density.log_prob(params, x - step, context))
                 / 2e-5)
        assert np.abs(slope - dx[:, axis]).max() < 1e-6 * max(1, np.abs(slope).max())
    for axis in range(0 if context is None else context.shape[1]):
        step = 1e-5 * np.eye(context.shape[1])[axis]
        slope = ((density.log_prob(params, x, context + step) - density.log_prob(params, x, context - step))
                 / 2e-5)
        assert np.abs(slope - dcontext[:, axis]).max() < 1e-6 * max(1, np.abs(slope).max())


def check_architecture(density, settings):
    with pytest.raises(ValueError, match="expected"):
        density.init_params(np.random.default_rng(0), **{"dim": 2, **settings})


def check_refusals(density, params, plain):
    """Inputs that do not fit the parameters of three dimensions and two features, or, for plain, of no
    context."""
    x, context = inputs(5)
    names = ("log_prob", "loss", "loss_and_grad", "log_prob_and_grad")
    for function in (getattr(density, name) for name in names if hasattr(density, name)):
        for arguments, name in (((params, x[:, :2], context), "x: "), ((params, x), "context: "),
                                ((params, x, context[:4]), "context: "), ((params, x, x), "context: "),
                                ((plain, x, context), "context: "), ((plain, x > 0), "x: ")):
            with pytest.raises(ValueError, match=f"^{name}expected"):
                function(*arguments)
    for arguments in ((params, 3), (params, 3, x), (plain, 3, context), (plain, -1)):
        with pytest.raises(ValueError, match="expected"):
            density.sample(arguments[0], np.random.default_rng(0), *arguments[1:])


def check_batches_in_turn(name, params, sizes):
    """One frozen tree in accel, batches of several sizes in turn: no number of an earlier batch may
    remain."""
    frozen = accel.runtime.tree.frozen(params)
    ours, theirs = getattr(accel.density, name), getattr(reference.density, name)
    for n in sizes:
        x, context = inputs(n, seed=n)
        assert_close(ours.log_prob(frozen, x, context), theirs.log_prob(params, x, context), terms=1000)
        value, grads = ours.loss_and_grad(frozen, x, context)
        expected = theirs.loss_and_grad(params, x, context)
        assert_close(value, expected[0], terms=1000)
        assert_close(accel.runtime.tree.ravel(grads), reference.runtime.tree.ravel(expected[1]), terms=1000)
