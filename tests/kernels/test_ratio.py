"""The ratio's kernels beyond what the agreement cases ask: tiles of every size, models side by side,
minibatches, what falls back.
"""
import numpy as np
import pytest

from accel import device
from accel.kernels import cuda
from accel.inference import _ratio_rows, ratio
from accel.kernels.ratio import launch as ratio_kernel
from accel.runtime._vector import empty_like
from accel.runtime.tree import frozen, ravel
from tests.agreement.backends import accel_backends
from tests.agreement.comparator import assert_close
from tests.agreement.registry import painted, random_tree

BACKENDS = [backend for backend in accel_backends().values() if backend.kernels]
DIM, CONTEXT, HIDDEN, SETTINGS = 2, 3, (6, 5), {"n_contrastive": 4, "balance": 0.0}
pytestmark = [
    pytest.mark.kernels,
    pytest.mark.skipif(not BACKENDS, reason="kernels run on the CPU through g++"),
]


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def on(request):
    with device.kernels(True):
        yield request.param


def parameters(on, seed=0, hidden=HIDDEN):
    tree = ratio.init_params(np.random.default_rng(0), dim=DIM, context_dim=CONTEXT, hidden=hidden)
    return frozen(on.put(random_tree(np.random.default_rng(seed), tree, 0.7)))


def rows(on, n):
    paint = np.random.default_rng(1)
    return on.put(painted(paint, (n, 2 * DIM + 1))), on.put(painted(paint, (n, CONTEXT + DIM)))


def loss_and_grad(params, *data, **settings):
    """The loss of rows, and its gradient as a vector."""
    grads = empty_like(params)
    return _ratio_rows.write_grads(params, grads, *data, **settings), grads.flat


def with_array_code(function, *args, **settings):
    with device.kernels(False):
        return function(*args, **settings)


def close(actual, expected, on, terms=500):
    """float32 against array code in the same dtype: a few of the roundings that either has made."""
    scale = 1 if on.dtype == "float64" else np.finfo("float32").eps / np.finfo("float64").eps / 32
    assert_close(device.to_host(actual), device.to_host(expected), terms=terms * scale)


def gradient(on, step, params, chosen, at=0):
    """What a step says at one place of rows (E, S, B) for parameters (E, P): the gradients (E, P) and
    losses (E,).
    """
    xp, flat = on.xp, on.xp.stack([ravel(tree) for tree in params])
    blocks = step.n_blocks(chosen.shape[2], len(params))
    partial, losses = xp.full((len(params), blocks, flat.shape[1]), np.nan,
                              flat.dtype), xp.full((len(params), blocks), np.nan, flat.dtype)
    only = xp.full_like(losses, np.nan)
    chosen, cursor = xp.asarray(chosen, dtype=xp.int32), xp.full(1, at, dtype=xp.int32)
    step.gradient(flat, chosen, cursor, (), partial, losses)
    step.loss(flat, chosen, cursor, (), only)
    close(only.sum(axis=1), losses.sum(axis=1), on)
    return device.to_host(partial.sum(axis=1)), device.to_host(losses.sum(axis=1))


def test_a_step_takes_the_rows_of_its_model_and_place(on):
    params, data = [parameters(on, seed) for seed in (3, 4)], rows(on, 50)
    step = _ratio_rows.fused(params[0], data, **SETTINGS)
    chosen = np.random.default_rng(5).integers(0, 50, (2, 3, 21))
    grads, losses = gradient(on, step, params, chosen, at=1)
    for model, tree in enumerate(params):
        value, grad = with_array_code(loss_and_grad, tree,
                                      *(a[on.xp.asarray(chosen[model, 1])] for a in data), **SETTINGS)
        close(losses[model], value, on)
        close(grads[model], grad, on)


def test_models_side_by_side_have_the_bits_of_single_ones_and_a_run_repeats(on):
    params, data = [parameters(on, seed) for seed in (3, 4)], rows(on, 50)
    step = _ratio_rows.fused(params[0], data, **SETTINGS)
    chosen = np.random.default_rng(5).integers(0, 50, (2, 1, 40))
    together, again = gradient(on, step, params, chosen), gradient(on, step, params, chosen)
    for model in range(2):
        alone = gradient(on, step, params[model:model + 1], chosen[model:model + 1])
        for whole, repeated, single in zip(together, again, alone):
            assert np.array_equal(whole[model], single[0]) and np.array_equal(whole, repeated)


@pytest.mark.parametrize("tile", [4, 16])
def test_tiles_of_every_size_and_blocks_of_several_tiles(on, monkeypatch, tile):
    monkeypatch.setattr(ratio_kernel, "ROWS", (tile,))
    monkeypatch.setattr(cuda, "multiprocessors", lambda xp: 1)
    monkeypatch.setattr(ratio_kernel.Step, "n_blocks", lambda self, n, n_models=1: 2)
    params, data = parameters(on), rows(on, 70)
    value, grad = loss_and_grad(params, *data, **SETTINGS)
    wanted, expected = with_array_code(loss_and_grad, params, *data, **SETTINGS)
    close(value, wanted, on)
    close(grad, expected, on)
    many = rows(on, 600)
    close(_ratio_rows.log_ratio(params, *many), with_array_code(_ratio_rows.log_ratio, params, *many), on)


@pytest.mark.parametrize(("settings", "hidden", "message"), [
    ({"n_contrastive": 4, "balance": 20.0}, HIDDEN, "a balance couples all rows"),
    ({"n_contrastive": 20_000, "balance": 0.0}, HIDDEN, "20001 pairs for each row exceed"),
    ({"n_contrastive": 4, "balance": 0.0}, (9000, 2), "a network of 9000, 2 hidden units exceeds")])
def test_what_is_beyond_the_kernels_runs_in_array_code_and_says_so(on, settings, hidden, message):
    cuda.fall_back.cache_clear()
    params, data = parameters(on, hidden=hidden), rows(on, 6)
    with pytest.warns(RuntimeWarning, match=f"ratio: {message}"):
        value = _ratio_rows.loss(params, *data, **settings)
    assert np.array_equal(device.to_host(value), device.to_host(with_array_code(_ratio_rows.loss, params,
                                                                                *data, **settings)))


def test_a_kernel_reads_nothing_beyond_its_arrays(on):
    params, (theta_rows, x_rows) = parameters(on), rows(on, 6)
    for wrong in ((theta_rows[:, 1:], x_rows), (theta_rows, x_rows[:, 1:]), (theta_rows, x_rows[:4])):
        with pytest.raises(ValueError, match="_rows: expected shape"):
            _ratio_rows.log_ratio(params, *wrong)
        with pytest.raises(ValueError, match="_rows: expected shape"):
            _ratio_rows.loss(params, *wrong, **SETTINGS)
    with pytest.raises(ValueError, match="x_rows: expected an array on the device"):
        _ratio_rows.log_ratio(params, theta_rows, device.to_host(x_rows))
