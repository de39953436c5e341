"""The kernels of dense networks beyond what the agreement cases ask: tiles of every size, minibatches, models
side by side, training."""
import warnings

import numpy as np
import pytest

import reference
from accel import device
from accel.kernels import cuda
from accel.kernels.mlp import launch as mlp_kernel
from accel.nets import dense
from accel.runtime.tree import frozen, ravel
from accel.representation import autoencoder
from tests.agreement.backends import accel_backends
from tests.agreement.comparator import assert_close
from tests.agreement.registry import painted, random_tree

BACKENDS = [backend for backend in accel_backends().values() if backend.kernels]
DIM, LATENT, HIDDEN = 5, 2, (6, 4)
pytestmark = [
    pytest.mark.kernels,
    pytest.mark.skipif(not BACKENDS, reason="kernels run on the CPU through g++"),
]


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def on(request):
    with device.kernels(True):
        yield request.param


def host_parameters(seed=0, dim=DIM, hidden=HIDDEN):
    tree = autoencoder.init_params(np.random.default_rng(0), dim=dim, n_latent=LATENT, hidden=hidden)
    return random_tree(np.random.default_rng(seed), tree, 0.5)


def host_rows(n, dim=DIM):
    return painted(np.random.default_rng(1), (n, dim))


def close(actual, expected, on, terms):
    """float32: so many of its roundings."""
    scale = 1 if on.dtype == "float64" else np.finfo("float32").eps / np.finfo("float64").eps / 32
    assert_close(np.asarray(device.to_host(actual), float), np.asarray(device.to_host(expected), float),
                 terms=terms * scale)


def minibatch(on, step, params, rows, at=0):
    """What a step says at one place of rows (E, S, B) for parameters (E, P): the gradients (E, P) and losses
    (E,)."""
    xp, flat = on.xp, on.xp.stack([ravel(tree) for tree in params])
    shape = len(params), step.n_blocks(rows.shape[2], len(params))
    partial, losses = xp.full((*shape, flat.shape[1]), np.nan, flat.dtype), xp.full(shape, np.nan, flat.dtype)
    only, rows, cursor = (xp.full_like(losses, np.nan), xp.asarray(rows, dtype=xp.int32),
                          xp.full(1, at, dtype=xp.int32))
    step.gradient(flat, rows, cursor, (), partial, losses)
    step.loss(flat, rows, cursor, (), only)
    close(only.sum(axis=1), losses.sum(axis=1), on, 100)
    return device.to_host(partial.sum(axis=1)), device.to_host(losses.sum(axis=1))


def test_a_step_takes_the_rows_of_its_model_and_place(on):
    trees, x = [host_parameters(seed) for seed in (3, 4)], host_rows(50)
    params = [frozen(on.put(tree)) for tree in trees]
    step, rows = (autoencoder.fused(params[0], (on.put(x),), 21),
                  np.random.default_rng(5).integers(0, 50, (2, 3, 21)))
    grads, losses = minibatch(on, step, params, rows, at=1)
    for model, tree in enumerate(trees):
        value, grad = reference.representation.autoencoder.loss_and_grad(tree, x[rows[model, 1]])
        close(losses[model], value, on, 200)
        close(grads[model], ravel(grad), on, 200)


def test_models_side_by_side_have_the_bits_of_single_ones_and_a_run_repeats(on):
    params, x = [frozen(on.put(host_parameters(seed))) for seed in (3, 4)], on.put(host_rows(50))
    step, rows = autoencoder.fused(params[0], (x,), 40), np.random.default_rng(5).integers(0, 50, (2, 1, 40))
    together, again = minibatch(on, step, params, rows), minibatch(on, step, params, rows)
    for model in range(2):
        alone = minibatch(on, step, params[model:model + 1], rows[model:model + 1])
        for whole, repeated, single in zip(together, again, alone):
            assert np.array_equal(whole[model], single[0]) and np.array_equal(whole, repeated)


@pytest.mark.parametrize("tile", mlp_kernel.TILES)
def test_tiles_of_every_size_and_blocks_of_several_tiles(on, monkeypatch, tile):
    monkeypatch.setattr(mlp_kernel, "TILES", (tile,))
    monkeypatch.setattr(cuda, "multiprocessors", lambda xp: 2)
    paint, n = np.random.default_rng(6), 150
    tree, x, cotangent = host_parameters(dim=40, hidden=(70,)), host_rows(n, 40), painted(paint, (n, LATENT))
    value, grad = autoencoder.loss_and_grad(on.put(tree), on.put(x))
    wanted, expected = reference.representation.autoencoder.loss_and_grad(tree, x)
    close(value, wanted, on, 1000)
    close(ravel(grad), ravel(expected), on, 1000)
    got = dense.mlp_vjp(on.put(tree["encoder"]), on.put(x), on.put(cotangent))
    for actual, expected in zip(got, reference.nets.dense.mlp_vjp(tree["encoder"], x, cotangent),
                                strict=True):
        close(ravel(actual), ravel(expected), on, 1000)
    close(autoencoder.reconstruct(on.put(tree), on.put(x)),
          reference.representation.autoencoder.reconstruct(tree, x), on, 200)


def test_rows_beyond_the_last_are_not_written(on):
    params, x = frozen(on.put(host_parameters())), on.put(host_rows(16))
    network, out = (mlp_kernel.network_of(params, autoencoder.BOTH, x, dense.TANH),
                    on.xp.full((16, DIM), 7, x.dtype))
    network.architecture.launch(on.xp, "forward", 10, 1, network.flat, x, out, np.int64(10), n_blocks=2)
    assert np.array_equal(out[:10].get(), network.forward(x)[:10].get()) and (out[10:].get() == 7).all()


def test_what_is_not_a_number_stays_in_its_row(on):
    params, x = frozen(on.put(host_parameters())), on.put(host_rows(20))
    for activation in (dense.TANH, dense.RELU):
        value = autoencoder.reconstruct(params, x, activation=activation).get()
        spoilt = x.copy()
        spoilt[3, 1], spoilt[11, 0] = np.nan, np.inf
        got = autoencoder.reconstruct(params, spoilt, activation=activation).get()
        assert (np.isnan(got[3]).all()
                and np.array_equal(np.delete(got, [3, 11], 0), np.delete(value, [3, 11], 0)))


@pytest.mark.parametrize(("layers", "activation", "message"), [
    ([(3, 60_000), (60_000, 1)], dense.TANH, r"\(3, 60000, 1\) units with tanh in float"),
    ([(1500, 800), (800, 1)], dense.TANH, r"\(1500, 800, 1\) units with tanh in float"),
    ([(3, 2), (2, 1)], dense.TANH._replace(name="own"), r"\(3, 2, 1\) units with own in float")])
def test_what_is_beyond_the_kernels_runs_in_array_code_and_says_so_once(on, layers, activation, message):
    cuda.fall_back.cache_clear()
    layers = [on.xp.full((1 + n_in, n_out), 1e-4, on.dtype) for n_in, n_out in layers]
    x = on.xp.ones((2, len(layers[0]) - 1), on.dtype)
    with pytest.warns(RuntimeWarning,
                      match=f"a dense network of {message}.* is beyond its kernels; array code"):
        out = dense.mlp(layers, x, activation=activation)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dense.mlp_vjp(layers, x, out, activation=activation)
    with device.kernels(False):
        assert np.array_equal(out.get(), dense.mlp(layers, x, activation=activation).get())


def test_networks_in_the_other_order_run_in_array_code(on):
    """The decoder's parameters before the encoder's: the kernel would need them after."""
    tree, x = host_parameters(), on.put(host_rows(9))
    turned = frozen(on.put({"decoder": tree["decoder"], "encoder": tree["encoder"]}))
    value, grads = autoencoder.loss_and_grad(turned, x)
    wanted, expected = autoencoder.loss_and_grad(frozen(on.put(tree)), x)
    close(value, wanted, on, 100)
    close(ravel(grads["encoder"]), ravel(expected["encoder"]), on, 100)
    close(autoencoder.encode(turned, x), autoencoder.encode(on.put(tree), x), on, 100)
    assert autoencoder.fused(turned, (x,), 4) is None


def test_fifty_steps_are_those_of_the_reference(on):
    """Five epochs of ten steps, once launched kernel by kernel and four times replayed; and with samples held
    out."""
    x, settings = (host_rows(50) + 3.0, {"n_latent": LATENT, "hidden": HIDDEN, "batch_size": 5,
                                         "max_epochs": 5, "validation_fraction": 0.0})
    for change in ({}, {"validation_fraction": 0.2, "max_epochs": 7}):
        fitted = autoencoder.fit(on.put(x), rng=on.rng(3), **settings | change)
        expected = reference.representation.autoencoder.fit(x, rng=np.random.default_rng(3),
                                                            **settings | change)
        for history, wanted in zip(fitted.history.values(), expected.history.values(), strict=True):
            close(history, wanted, on, 5000)
        close(ravel(fitted.params), ravel(expected.params), on, 5000)


def test_one_launch_does_it(on, monkeypatch):
    params, x = frozen(on.put(host_parameters())), on.put(host_rows(20))
    launched = []
    monkeypatch.setattr(cuda.Kernels, "__call__", lambda self, name, *args, **kwargs: launched.append(name))
    autoencoder.reconstruct(params, x)
    autoencoder.loss(params, x)
    autoencoder.loss_and_grad(params, x)
    dense.mlp_vjp(params["encoder"], x, x[:, :LATENT])
    assert launched == ["forward", "loss", "gradient", "vjp"]
