"""Gradients of the log-density, row by row, with respect to the point and to the context: against central differences."""
import numpy as np
import pytest

import accel
import reference

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
DENSITIES = pytest.mark.parametrize("name", ["maf", "mdn", "nsf", "realnvp"])


def setting(package, name, dim, context_dim):
    density, rng = getattr(package.density, name), np.random.default_rng(3)
    params = density.init_params(rng, dim=dim, context_dim=context_dim, hidden=(7, 5))
    params = package.runtime.tree.tree_map(lambda leaf: leaf + 0.3 * rng.standard_normal(leaf.shape), params)
    return density, params, rng.standard_normal((6, dim)), rng.standard_normal((6, context_dim)) if context_dim else None


@BOTH
@DENSITIES
@pytest.mark.parametrize(("dim", "context_dim"), [(3, 2), (2, 0), (1, 2)])
def test_gradients_by_row_are_central_differences(package, name, dim, context_dim):
    density, params, x, c = setting(package, name, dim, context_dim)
    value, dx, dc = density.log_prob_and_grad(params, x, c)
    assert np.allclose(value, density.log_prob(params, x, c), rtol=1e-12) and dx.shape == x.shape
    assert (dc is None) if c is None else dc.shape == c.shape
    for axis in range(dim):
        step = 1e-5 * np.eye(dim)[axis]
        slope = (density.log_prob(params, x + step, c) - density.log_prob(params, x - step, c)) / 2e-5
        assert np.abs(slope - dx[:, axis]).max() < 1e-6 * max(1, np.abs(slope).max())
    for axis in range(context_dim):
        step = 1e-5 * np.eye(context_dim)[axis]
        slope = (density.log_prob(params, x, c + step) - density.log_prob(params, x, c - step)) / 2e-5
        assert np.abs(slope - dc[:, axis]).max() < 1e-6 * max(1, np.abs(slope).max())


@DENSITIES
def test_gradients_by_row_leave_a_training_step_alone(name):
    """The work arrays of the two are not the same: what the one returned is not overwritten by the other."""
    density, params, x, c = setting(accel, name, 3, 2)
    ravel, params = accel.runtime.tree.ravel, accel.runtime.tree.frozen(params)
    _, grads = density.loss_and_grad(params, x, c)
    before, weights = ravel(grads), ravel(params)
    _, dx, dc = density.log_prob_and_grad(params, x, c)
    assert np.array_equal(ravel(grads), before) and np.array_equal(ravel(params), weights)
    kept = dx.copy(), dc.copy()
    density.log_prob_and_grad(params, -x, c[::-1])
    assert np.array_equal(dx, kept[0]) and np.array_equal(dc, kept[1])


@BOTH
@DENSITIES
def test_bad_inputs_are_refused(package, name):
    density, params, x, c = setting(package, name, 3, 2)
    for arguments, what in (((x[:, :2], c), "x: "), ((x, None), "context: "), ((x, c[:4]), "context: ")):
        with pytest.raises(ValueError, match=f"^{what}expected"):
            density.log_prob_and_grad(params, *arguments)
