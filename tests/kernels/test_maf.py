"""The kernels of MADE and MAF beyond the agreement cases: tiles of every kind, models side by side,
minibatches, replays."""
import warnings

import numpy as np
import pytest

from accel import device
from accel.kernels import cuda
from accel.runtime.philox import PhiloxGenerator
from accel.runtime._vector import bound, empty_like
from accel.runtime.tree import ravel
from accel.density import made, maf
from accel.kernels.maf import launch as maf_kernel
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
    tree = maf.init_params(np.random.default_rng(0), dim=dim, context_dim=context_dim, **SETTINGS | settings)
    return bound(on.put(random_tree(np.random.default_rng(seed), tree, 0.3)))


def invert(params, z, context, each):
    """The inverse, a row of the context standing for `each` rows of z."""
    flow, params = maf.flow_of(params)
    return flow.invert(params, z, context, each)


def inputs(on, n, dim=DIM, context_dim=CONTEXT):
    paint = np.random.default_rng(1)
    return on.put(painted(paint, (n, dim))), on.put(painted(paint, (n, context_dim)))


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
    blocks = step.n_blocks(rows.shape[2], len(params))
    partial = xp.full((len(params), blocks, flat.shape[1]), np.nan, flat.dtype)
    losses, only = (xp.full((len(params), blocks), np.nan, flat.dtype) for _ in range(2))
    rows, cursor = xp.asarray(rows, dtype=xp.int32), xp.full(1, at, dtype=xp.int32)
    step.gradient(flat, rows, cursor, (), partial, losses)
    step.loss(flat, rows, cursor, (), only)
    close(only.sum(axis=1), losses.sum(axis=1), on, 100)
    return device.to_host(partial.sum(axis=1)), device.to_host(losses.sum(axis=1))


def test_a_step_takes_the_rows_of_its_model_and_place(on):
    params, (x, context) = [parameters(on, seed) for seed in (3, 4)], inputs(on, 50)
    step, rows = maf.fused(params[0], (x, context), 21), np.random.default_rng(5).integers(0, 50, (2, 3, 21))
    grads, losses = gradient(on, step, params, rows, at=1)
    for model, tree in enumerate(params):
        chosen = on.xp.asarray(rows[model, 1])
        value, grad = with_array_code(maf.loss_and_grad, tree, x[chosen], context[chosen])
        close(losses[model], value, on, 500)
        close(grads[model], ravel(grad), on, 500)


def test_models_side_by_side_have_the_bits_of_single_ones_and_a_run_repeats(on):
    params, data = [parameters(on, seed) for seed in (3, 4)], inputs(on, 50)
    step, rows = maf.fused(params[0], data, 40), np.random.default_rng(5).integers(0, 50, (2, 1, 40))
    together, again = gradient(on, step, params, rows), gradient(on, step, params, rows)
    for model in range(2):
        alone = gradient(on, step, params[model:model + 1], rows[model:model + 1])
        for whole, repeated, single in zip(together, again, alone):
            assert np.array_equal(whole[model], single[0]) and np.array_equal(whole, repeated)


def test_many_models_share_the_multiprocessors(on, monkeypatch):
    """Wide tiles and few blocks, the same gradients; with more blocks than tiles, the others write zeros."""
    monkeypatch.setattr(cuda, "multiprocessors", lambda xp: 4)
    params, data = [parameters(on, seed) for seed in (3, 4)], inputs(on, 50)
    step, rows = maf.fused(params[0], data, 40), np.random.default_rng(5).integers(0, 50, (2, 1, 40))
    plan = step.flow.plan("gradient", 40, 2)
    assert (plan.tile, plan.blocks) == (24, 2)
    wide = gradient(on, step, params, rows)
    monkeypatch.setattr(maf_kernel.Step, "n_blocks", lambda self, n, n_models=1: 5)
    for some, more in zip(wide, gradient(on, step, params, rows)):
        assert np.array_equal(some, more)
    monkeypatch.undo()
    for some, narrow in zip(wide, gradient(on, maf.fused(params[0], data, 40), params, rows)):
        close(some, narrow, on, 500)


@pytest.mark.parametrize("room", ["all", "one transform"])
def test_a_block_takes_several_tiles_of_any_width(on, monkeypatch, room):
    """One multiprocessor: wide tiles in turn, two samples for a thread of the inverse, staged parameters."""
    n, params = 1100, parameters(on)
    x, context = inputs(on, n)
    functions = maf.forward, maf.inverse, maf.log_prob_and_grad
    expected = [with_array_code(function, params, x, context) for function in functions]
    value, grad = with_array_code(maf.loss_and_grad, params, x, context)
    grad = ravel(grad).copy()
    shared = with_array_code(invert, params, x, context[:22], 50)
    monkeypatch.setattr(cuda, "multiprocessors", lambda xp: 1)
    flow, tile = maf.flow_of(params)[0].kernel, 64 if room == "all" else 16
    if room == "one transform":
        limit = flow.bytes("gradient", tile, True) - 1
        monkeypatch.setattr(cuda, "shared_limit", lambda xp: limit)
    plan, inverse = flow.plan("gradient", n), flow.inverse_plan(n, 0)
    assert (plan.tile, plan.resident, plan.blocks) == (tile, room == "all", 1)
    assert inverse.tile == 2 * inverse.threads or room != "all"
    for function, want in zip(functions, expected):
        for got, leaf in zip(function(params, x, context), want):
            close(got, leaf, on, 2000)
    for got, leaf in zip(invert(params, x, context[:22], 50), shared):
        close(got, leaf, on, 2000)
    found = maf.loss_and_grad(params, x, context)
    close(found[0], value, on, 2000)
    close(ravel(found[1]), grad, on, 2000)


def test_the_gradient_of_the_context(on):
    params, (x, context) = parameters(on), inputs(on, 21)
    dcontext, expected = (on.xp.empty((CONTEXT, 21), on.dtype) for _ in range(2))
    grads = empty_like(parameters(on, 1))
    with_array_code(maf.write_grads, params, grads, x, context, expected)
    maf.write_grads(params, grads, x, context, dcontext)
    close(dcontext, expected, on, 500)


def test_masked_weights_count_for_nothing_and_have_no_gradient(on):
    """Masked parameters are not zero here, so that reading one would show; masked gradients are zeros."""
    params, (x, context) = parameters(on), inputs(on, 21)
    before = maf.log_prob(params, x, context)
    grad = ravel(maf.loss_and_grad(params, x, context)[1])
    shapes = tuple(tuple(layer.shape for layer in layers) for layers in params["mades"])
    mask = device.to_host(made.Weights(on.xp, shapes, params.flat.dtype).mask) == 1
    params.flat *= on.xp.asarray(mask)
    assert np.array_equal(device.to_host(before), device.to_host(maf.log_prob(params, x, context)))
    grad = device.to_host(grad)
    assert np.all(grad[~mask] == 0) and np.all(grad[mask] != 0) and not mask.all()


def test_a_captured_step_follows_the_cursor(on):
    xp, params, data = on.xp, parameters(on), inputs(on, 50)
    step, rows = maf.fused(params, data, 16), np.random.default_rng(5).integers(0, 50, (1, 3, 16))
    wanted = [gradient(on, step, [params], rows, at) for at in range(3)]
    flat, chosen, cursor = params.flat[None], xp.asarray(rows, dtype=xp.int32), xp.zeros(1, dtype=xp.int32)
    n_blocks = step.n_blocks(16)
    partial, losses = xp.empty((1, n_blocks, flat.size), on.dtype), xp.empty((1, n_blocks), on.dtype)
    stream = xp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        step.gradient(flat, chosen, cursor, (), partial, losses)
        graph = stream.end_capture()
        for at in (2, 0, 1):
            cursor.fill(at)
            graph.launch(stream)
            stream.synchronize()
            assert np.array_equal(device.to_host(partial.sum(axis=1)), wanted[at][0])


def test_one_launch_for_each_call(on, monkeypatch):
    launched, launch, params = [], cuda.Kernels.__call__, parameters(on)

    def counted(self, name, *args, **settings):
        launched.append(name)
        return launch(self, name, *args, **settings)
    monkeypatch.setattr(cuda.Kernels, "__call__", counted)
    rng, context = PhiloxGenerator(7, like=params.flat), inputs(on, 3)[1]
    maf.sample(params, on.rng(), 20, context)
    maf.sample(params, rng, 20, context)
    assert rng.block == 20 * 3 * DIM / 4
    maf.loss_and_grad(params, *inputs(on, 40))
    maf.loss(params, *inputs(on, 40))
    assert launched == ["inverse", "inverse", "gradient", "log_prob"]


@pytest.mark.parametrize("settings", [{"hidden": (900, 900)}, {"hidden": (3, 3, 3, 3, 3)}])
def test_what_is_beyond_the_kernels_runs_in_array_code_and_says_so_once(on, settings):
    cuda.fall_back.cache_clear()
    params, (x, context) = parameters(on, n_transforms=1, **settings), inputs(on, 4)
    message = "of 3 dimensions with hidden layers .* is beyond its kernels; array code is used"
    with pytest.warns(RuntimeWarning, match=message):
        found = maf.log_prob(params, x, context)
    expected = with_array_code(maf.log_prob, params, x, context)
    assert np.array_equal(device.to_host(found), device.to_host(expected))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maf.log_prob(parameters(on, n_transforms=1, **settings), x, context)
    assert maf.fused(params, (x, context), 4) is None


def test_no_rows(on):
    params, (x, context) = parameters(on), inputs(on, 3)
    assert maf.sample(params, on.rng(), 0, context).shape == (3, 0, DIM)
    assert maf.sample(params, PhiloxGenerator(1, like=x), 4, context[:0]).shape == (0, 4, DIM)
    assert maf.log_prob(params, x[:0], context[:0]).shape == (0,)
    for function in (maf.forward, maf.inverse):
        assert [found.shape for found in function(params, x[:0], context[:0])] == [(0, DIM), (0,)]


def test_the_shapes_of_inputs_are_checked_before_a_kernel_reads_them(on):
    params, (x, context) = parameters(on), inputs(on, 6)
    for arguments in ((x[:, :2], context), (x, context[:5]), (x, context[:, :1]), (x, None)):
        for function in (maf.forward, maf.inverse, maf.log_prob, maf.loss_and_grad, maf.log_prob_and_grad):
            with pytest.raises(ValueError, match="expected"):
                function(params, *arguments)
    with pytest.raises(ValueError, match="expected"):
        invert(params, x, context[:2], 2)


def test_rows_that_are_not_finite_stay_alone(on):
    params, (x, context) = parameters(on), inputs(on, 40)
    clean = device.to_host(maf.log_prob(params, x, context))
    x[3, 1], x[11, 0] = np.nan, np.inf
    found = device.to_host(maf.log_prob(params, x, context))
    others = np.delete(np.arange(40), [3, 11])
    assert np.isnan(found[3]) and not np.isfinite(found[11]) and np.array_equal(found[others], clean[others])
    drawn = device.to_host(maf.inverse(params, x, context)[0])
    assert np.isnan(drawn[3]).any() and np.isfinite(drawn[others]).all()
