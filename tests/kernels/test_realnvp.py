"""RealNVP's kernels beyond the agreement cases: tiles of every size, tapes that do not fit, models side by
side, minibatches."""
import warnings

import numpy as np
import pytest

from accel import device
from accel.kernels import cuda
from accel.runtime._vector import bound, empty_like
from accel.runtime.tree import ravel
from accel.density import realnvp
from accel.kernels.realnvp import launch as realnvp_kernel
from tests.agreement.backends import accel_backends
from tests.agreement.comparator import assert_close
from tests.agreement.registry import painted, random_tree

BACKENDS = [backend for backend in accel_backends().values() if backend.kernels]
DIM, CONTEXT, SETTINGS = 3, 2, {"n_transforms": 3, "hidden": (7, 5)}
pytestmark = [
    pytest.mark.kernels,
    pytest.mark.skipif(not BACKENDS, reason="kernels run on the CPU through g++"),
]


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def on(request):
    with device.kernels(True):
        yield request.param


def parameters(on, seed=0, dim=DIM, context_dim=CONTEXT, **settings):
    settings = SETTINGS | settings
    tree = realnvp.init_params(np.random.default_rng(0), dim=dim, context_dim=context_dim, **settings)
    return bound(on.put(random_tree(np.random.default_rng(seed), tree, 0.4)))


def inputs(on, n):
    paint = np.random.default_rng(1)
    return on.put(painted(paint, (n, DIM))), on.put(painted(paint, (n, CONTEXT)))


def with_array_code(function, *args):
    with device.kernels(False):
        return function(*args)


def close(actual, expected, on, terms):
    """float32 against array code in the same dtype: within a few of their roundings."""
    scale = 1 if on.dtype == "float64" else np.finfo("float32").eps / np.finfo("float64").eps / 32
    assert_close(device.to_host(actual), device.to_host(expected), terms=terms * scale)


def gradient(on, step, params, rows, at=0):
    """The gradients (E, P) and losses (E,) of E models for batch `at` of rows (E, S, B)."""
    xp, flat = on.xp, on.xp.stack([ravel(tree) for tree in params])
    blocks = step.n_blocks(rows.shape[2])
    partial = xp.full((len(params), blocks, flat.shape[1]), np.nan, flat.dtype)
    losses, only = (xp.full((len(params), blocks), np.nan, flat.dtype) for _ in range(2))
    rows, cursor = xp.asarray(rows, dtype=xp.int32), xp.full(1, at, dtype=xp.int32)
    step.gradient(flat, rows, cursor, (), partial, losses)
    step.loss(flat, rows, cursor, (), only)
    close(only.sum(axis=1), losses.sum(axis=1), on, 100)
    return device.to_host(partial.sum(axis=1)), device.to_host(losses.sum(axis=1))


def test_a_step_takes_the_rows_of_its_model_and_place(on):
    params, (x, context) = [parameters(on, seed) for seed in (3, 4)], inputs(on, 50)
    step = realnvp.fused(params[0], (x, context), 50)
    rows = np.random.default_rng(5).integers(0, 50, (2, 3, 21))
    grads, losses = gradient(on, step, params, rows, at=1)
    for model, tree in enumerate(params):
        chosen = on.xp.asarray(rows[model, 1])
        value, grad = with_array_code(realnvp.loss_and_grad, tree, x[chosen], context[chosen])
        close(losses[model], value, on, 500)
        close(grads[model], ravel(grad), on, 500)


def test_models_side_by_side_have_the_bits_of_single_ones_and_a_run_repeats(on):
    params, data = [parameters(on, seed) for seed in (3, 4)], inputs(on, 50)
    step, rows = realnvp.fused(params[0], data, 50), np.random.default_rng(5).integers(0, 50, (2, 1, 40))
    together, again = gradient(on, step, params, rows), gradient(on, step, params, rows)
    for model in range(2):
        alone = gradient(on, step, params[model:model + 1], rows[model:model + 1])
        for whole, repeated, single in zip(together, again, alone):
            assert np.array_equal(whole[model], single[0]) and np.array_equal(whole, repeated)


@pytest.mark.parametrize("tile", sorted({*realnvp_kernel.TILES, *realnvp_kernel.TRAINING_TILES}))
def test_tiles_of_every_size_and_blocks_of_several_tiles(on, monkeypatch, tile):
    monkeypatch.setattr(realnvp_kernel, "TILES", (tile,))
    monkeypatch.setattr(realnvp_kernel, "TRAINING_TILES", (tile,))
    monkeypatch.setattr(cuda, "multiprocessors", lambda xp: 1)
    monkeypatch.setattr(realnvp_kernel.Step, "n_blocks", lambda self, n: 2)
    params, (x, context) = parameters(on), inputs(on, 70)
    for function in (realnvp.forward, realnvp.inverse):
        given = function, params, x, context
        for actual, expected in zip(function(params, x, context), with_array_code(*given)):
            close(actual, expected, on, 500)
    value, grad = realnvp.loss_and_grad(parameters(on), x, context)
    wanted, expected = with_array_code(realnvp.loss_and_grad, params, x, context)
    close(value, wanted, on, 500)
    close(ravel(grad), ravel(expected), on, 500)


def test_tapes_that_do_not_fit_are_computed_anew(on, monkeypatch):
    params, (x, context) = parameters(on, n_transforms=4), inputs(on, 20)
    flow, limit = realnvp.flow_of(params)[0].kernel, 8 * 80 * params.flat.dtype.itemsize
    monkeypatch.setattr(cuda, "shared_limit", lambda xp: limit)
    assert flow.plan(20, training=True).n_tapes == 1
    for function in (realnvp.loss_and_grad, realnvp.log_prob_and_grad):
        given = function, params, x, context
        for actual, expected in zip(function(params, x, context), with_array_code(*given)):
            close(ravel(actual), ravel(expected), on, 500)


def test_the_gradient_of_the_context_comes_with_that_of_the_parameters(on):
    params, (x, context) = parameters(on), inputs(on, 20)
    dcontext = [on.xp.empty((CONTEXT, 20), x.dtype) for _ in range(2)]
    grads = [empty_like(params) for _ in range(2)]
    realnvp.write_grads(params, grads[0], x, context, dcontext[0])
    with_array_code(realnvp.write_grads, params, grads[1], x, context, dcontext[1])
    close(dcontext[0], dcontext[1], on, 500)
    close(grads[0].flat, grads[1].flat, on, 500)


def test_networks_beyond_shared_memory_run_in_array_code_and_say_so_once(on):
    cuda.fall_back.cache_clear()
    params, (x, context) = parameters(on, hidden=(9000, 2)), inputs(on, 2)
    message = "RealNVP: networks of 9000, 2 hidden units exceed a block's shared memory; array code"
    with pytest.warns(RuntimeWarning, match=message):
        value = realnvp.log_prob(params, x, context)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert realnvp.fused(parameters(on, hidden=(9000, 2)), (x, context), 2) is None
    expected = with_array_code(realnvp.log_prob, params, x, context)
    assert np.array_equal(device.to_host(value), device.to_host(expected))


def test_what_is_not_a_number_stays_where_it_is(on):
    params, (x, context) = parameters(on), inputs(on, 20)
    value = device.to_host(realnvp.log_prob(params, x, context))
    x[3, 1], context[11, 0] = np.nan, np.inf
    spoilt = device.to_host(realnvp.log_prob(params, x, context))
    assert np.isnan(spoilt[3]) and np.array_equal(np.delete(spoilt, [3, 11]), np.delete(value, [3, 11]))


def test_one_launch_takes_samples_through_the_chain(on):
    params, (x, context) = parameters(on), inputs(on, 20)
    launched = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda.Kernels, "__call__", lambda self, name, *args, **kwargs: launched.append(name))
        realnvp.sample(params, on.rng(0), 3, context)
        realnvp.log_prob(params, x, context)
        realnvp.loss_and_grad(params, x, context)
    assert launched == ["inverse", "log_prob", "gradient"]
