"""Training in kernels and captured graphs, on the stand-in or a GPU: the numbers of array code, few launches,
one wait an epoch. The model is the smallest that has a training step in a kernel: the engine is tested.
"""
import contextlib
import functools
import warnings

import numpy as np
import pytest

from accel import device
from accel.kernels.training import launch as training_kernel
from accel.training import minibatch, optim
from tests import strict_cupy
from tests.agreement.backends import uses_cuda
from tests.agreement.comparator import assert_close, flatten
from tests.support import least_squares

cp = device.module("cuda") if uses_cuda() else strict_cupy.install()
pytestmark = [
    pytest.mark.kernels,
    pytest.mark.gpu if uses_cuda() else
    pytest.mark.skipif(strict_cupy.COMPILER is None, reason="kernels run on the CPU through g++"),
]
COUNTS = pytest.mark.skipif(uses_cuda(), reason="it is the stand-in that counts")

SETTINGS = {"learning_rate": 0.05, "batch_size": 10, "max_epochs": 12, "patience": 20,
            "validation_fraction": 0.1, "clip_norm": 0.5, "schedule": optim.one_cycle}
PER_EPOCH = 36                                                        # steps: 400 rows, 40 of them held out


def data(xp, n=400, dtype=float):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 3)) * [1.0, 2.0, 0.5]
    y = x @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.standard_normal(n)
    return [xp.asarray(a, dtype=dtype) for a in (x, y)]


def train(xp=cp, *, kernels=True, model=None, rng=None, noisy=False, dtype=float, n=400, **settings):
    model, start = model or least_squares.model(noisy=noisy), {"w": xp.zeros(3, dtype=dtype)}
    with device.kernels(kernels):
        return minibatch.train(model, start, data(xp, n, dtype), rng=rng or np.random.default_rng(1),
                               **SETTINGS | settings)


def together(seeds, *, checkpoints=None, noisy=False, **settings):
    starts = [{"w": cp.asarray(np.full(3, 0.1 * seed))} for seed in seeds]
    with device.kernels(True):
        return minibatch.train_together(
            least_squares.model(noisy=noisy), starts, data(cp), rngs=list(map(np.random.default_rng, seeds)),
            checkpoints=checkpoints or [None] * len(seeds), progress=False, **SETTINGS | settings)


def calling(before, *, name):
    """The model, with before(count) called before each gradient or loss of its step."""
    model, count = least_squares.model(), iter(range(1, 1_000_000))

    def fused(params, arrays, batch_size):
        step = least_squares.Step(params, *arrays, noisy=False)
        method = getattr(step, name)
        setattr(step, name, lambda *args: (before(next(count)), method(*args)))
        return step
    model.fused = fused
    return model


def interrupt(at, count):
    if count == at:
        raise KeyboardInterrupt


def host(trained):
    return {path: leaf.get() if hasattr(leaf, "get") else leaf for path, leaf in flatten(trained).items()}


def same(left, right):
    left, right = host(left), host(right)
    return left.keys() == right.keys() and all(
        np.array_equal(left[path], right[path], equal_nan=isinstance(left[path], float)) for path in left)


def assert_same_but_for_rounding(left, right, terms=4000):
    left, right = host(left), host(right)
    assert list(left) == list(right)
    for path, leaf in left.items():
        if isinstance(leaf, (float, np.ndarray)):
            assert_close(leaf, right[path], terms=terms, what=path)
        else:
            assert leaf == right[path], path


@pytest.mark.parametrize("settings", [
    {}, {"noisy": True}, {"validation_fraction": 0.0}, {"batch_size": 400}, {"batch_size": 7},
    {"learning_rate": 0.2, "patience": 3, "max_epochs": 100, "schedule": optim.constant}])
def test_the_numbers_are_those_of_array_code(settings):
    """The generator ends where array code leaves it, although the engine draws an epoch ahead."""
    places = np.random.default_rng(1), np.random.default_rng(1)
    array_code, fused = (train(xp, rng=rng, **settings) for xp, rng in zip((np, cp), places))
    assert_same_but_for_rounding(fused, array_code)
    assert places[0].random() == places[1].random()


def test_clipping_matters_here():
    assert abs(train(max_epochs=3).loss - train(max_epochs=3, clip_norm=1e9).loss) > 1e-3


@COUNTS
def test_a_step_is_three_launches_and_an_epoch_waits_once():
    """The first epoch launches kernel by kernel, later ones a graph of 32 steps and one of the other 4."""
    def cost(max_epochs):
        with strict_cupy.counted() as spent:
            train(max_epochs=max_epochs, patience=100)
        return spent
    few, many = cost(3), cost(7)
    recorded = 3 * PER_EPOCH                                          # in the first epoch; then captured
    assert few["kernel"] == 2 * recorded + 2 * (3 + 1)                # two for each validation loss
    for kind, each in (("kernel", 2), ("sync", 1), ("upload", 2)):    # uploads: sort keys, the table of rates
        assert many[kind] - few[kind] == 4 * each, kind
    assert (many["launch"] - few["launch"]) / 4 <= 12                 # graphs, validation, sorting the order


@COUNTS
def test_the_bytes_of_a_step():
    """The arguments of the two kernels after the gradient: about 5 P numbers, and G P partial gradients."""
    optimiser = training_kernel.Optimiser(cp, np.dtype(float), n_models=1, n_params=3, n_blocks=2,
                                          n_batches=PER_EPOCH, batch_size=10, clip_norm=1.0,
                                          betas=(optim.BETA1, optim.BETA2))
    with strict_cupy.counted() as spent:
        optimiser.step()
    n_params, n_blocks, n_norms = 3, 2, 1
    in_reduce = n_blocks * (n_params + 1) + 2 * PER_EPOCH + n_params + n_norms + 2 + PER_EPOCH + 1
    in_adam = n_params + n_norms + 2 + 3 * n_params
    cursors = 2 * 4
    assert spent["kernel"] == 2 and spent["bytes"] == 8 * (in_reduce + in_adam) + cursors


@pytest.mark.parametrize("noisy", [False, True])
def test_side_by_side_the_numbers_are_those_of_each_alone(noisy):
    """With this learning rate runs stop at different epochs; launches shrink when half have stopped."""
    settings = {"learning_rate": 0.5, "patience": 2, "max_epochs": 40, "schedule": optim.constant,
                "noisy": noisy}
    seeds = [1, 2, 3, 4]
    alone = [together([seed], **settings)[0] for seed in seeds]
    lengths = [len(run.history["train_loss"]) for run in alone]
    assert len(set(lengths)) > 1 and sorted(lengths)[1] < max(lengths)
    for run, other in zip(together(seeds, **settings), alone):
        assert same(run, other)


@COUNTS
def test_side_by_side_a_step_is_as_many_launches():
    with strict_cupy.counted() as one:
        together([1], max_epochs=3)
    with strict_cupy.counted() as four:
        together([1, 2, 3, 4], max_epochs=3)
    assert four["kernel"] == one["kernel"] and four["sync"] - one["sync"] <= 3


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_an_interruption_keeps_the_best_so_far(epoch):
    """^C in a validation loss, of which the first is that of the start; here every epoch improves."""
    with pytest.warns(UserWarning, match=f"interrupted in epoch {epoch};"):
        stopped = train(model=calling(functools.partial(interrupt, epoch + 1), name="loss"))
    assert stopped.stopped == "interrupted"
    assert stopped.best_epoch == len(stopped.history["train_loss"]) == epoch - 1
    x, y = data(np)
    held = np.argsort(np.random.default_rng(1).random(400))[:40]
    residual = x[held] @ stopped.params["w"].get() - y[held]
    assert_close(stopped.loss, np.mean(0.5 * residual**2), terms=4000)


@pytest.mark.parametrize(("name", "at"), [("gradient", 5), ("gradient", 40), ("loss", 2), ("loss", 7)])
def test_a_resumed_run_is_the_run_that_was_not_stopped(name, at, tmp_path):
    """^C between the launches of the first epoch, while a graph is captured, and in a validation loss."""
    whole, path = train(), tmp_path / "run.npz"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train(model=calling(functools.partial(interrupt, at), name=name), checkpoint=path)
    resumed = train(checkpoint=path, rng=np.random.default_rng(1 if not path.exists() else 999))
    assert same(resumed, whole)
    assert same(train(checkpoint=path, rng=np.random.default_rng(7)), whole)


@pytest.mark.parametrize("first", [np, cp])
def test_a_checkpoint_moves_between_devices(first, tmp_path):
    path, second = tmp_path / "run.npz", cp if first is np else np
    whole = train(first)
    with contextlib.suppress(Halt):
        train(first, checkpoint=path, schedule=halting(200))
    resumed = train(second, checkpoint=path, rng=np.random.default_rng(5), schedule=halting(10**9))
    assert_same_but_for_rounding(resumed, whole)


class Halt(Exception):
    pass


def halting(step):
    """The schedule, which raises Halt when the rate of a step is computed."""
    def one_cycle(fraction):
        if round(fraction * SETTINGS["max_epochs"] * PER_EPOCH) >= step:
            raise Halt
        return optim.one_cycle(fraction)
    return one_cycle


def exploding(fraction):
    return 1.0 if fraction < 0.5 else 1e200


@pytest.mark.parametrize("kernels", [True, False])
def test_a_loss_that_is_not_finite_names_the_step_and_keeps_the_last_good_parameters(kernels):
    """From the seventh epoch on steps are too large: the first of them is finite, the next loss is not."""
    good = train(max_epochs=6, schedule=optim.constant)
    with pytest.raises(minibatch.NonFiniteLossError, match=f"step {6 * PER_EPOCH + 2};") as caught:
        train(kernels=kernels, schedule=exploding)
    assert len(caught.value.history["train_loss"]) == 6
    assert_close(caught.value.params["w"].get(), good.params["w"].get(), terms=4000)


def test_one_run_that_fails_ends_all_and_says_so():
    with pytest.raises(minibatch.NonFiniteLossError, match=f"step {6 * PER_EPOCH + 2};"):
        together([1, 2, 3], schedule=exploding)


def test_an_interruption_of_several_keeps_the_best_of_each():
    with pytest.warns(UserWarning, match="interrupted in epoch 3"), device.kernels(True):
        runs = minibatch.train_together(
            calling(functools.partial(interrupt, 4), name="loss"), [{"w": cp.zeros(3)}, {"w": cp.ones(3)}],
            data(cp), rngs=[np.random.default_rng(1), np.random.default_rng(2)], checkpoints=[None, None],
            progress=False, **SETTINGS)
    assert [run.stopped for run in runs] == ["interrupted"] * 2 and all(run.best_epoch == 2 for run in runs)


def test_runs_that_resume_at_different_epochs_go_on_side_by_side(tmp_path):
    paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
    whole = together([1, 2])
    for seed, path, at in zip((1, 2), paths, (150, 300)):
        with contextlib.suppress(Halt):
            together([seed], checkpoints=[path], schedule=halting(at))
    for run, other in zip(together([1, 2], checkpoints=paths, schedule=halting(10**9)), whole):
        assert same(run, other)


@pytest.mark.parametrize(("n_params", "n_blocks"), [(1, 1), (700, 7), (700, 20), (257, 40), (100, 200)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_kernels_of_a_step_are_clipping_and_adam(n_params, n_blocks, dtype):
    """Four steps of three models, the first never clipped; partial gradients in 1, 2, 4 or 8 slices."""
    rng, n_steps = np.random.default_rng(0), 4
    scales = np.array([1e-3, 1.0, 30.0])[:, None, None]
    partial = rng.standard_normal((n_steps, 3, n_blocks, n_params)) * scales
    losses, flat = rng.random((3, n_blocks)), rng.standard_normal((3, n_params))
    optimiser = training_kernel.Optimiser(cp, np.dtype(dtype), n_models=3, n_params=n_params,
                                          n_blocks=n_blocks, n_batches=n_steps, batch_size=1, clip_norm=1.0,
                                          betas=(optim.BETA1, optim.BETA2))
    optimiser.flat.set(flat.astype(dtype))
    optimiser.losses.set(losses.astype(dtype))
    rates = [[optim.folded(step + 1, 1e-2 * (run + 1)) for step in range(n_steps)] for run in range(3)]
    optimiser.rates.set(np.array(rates, dtype))
    expected = [{"w": flat[run].astype(dtype)} for run in range(3)]
    states = [optim.init_adam(params) for params in expected]
    for step in range(n_steps):
        optimiser.partial.set(partial[step].astype(dtype))
        optimiser.step()
        for run in range(3):
            grads, norm = optim.clip_by_norm({"w": partial[step, run].astype(dtype).sum(axis=0)}, 1.0)
            assert (norm > 1) == (run > 0) or n_params == 1
            expected[run], states[run] = optim.adam_step(expected[run], grads, states[run],
                                                         learning_rate=1e-2 * (run + 1))
    assert int(optimiser.cursor[0]) == n_steps
    scale = np.finfo(dtype).eps / np.finfo(float).eps
    for run in range(3):
        for actual, wanted in ((optimiser.flat, expected[run]), (optimiser.mean, states[run].mean),
                               (optimiser.square, states[run].square)):
            assert_close(actual[run].get(), wanted["w"], terms=10 * n_blocks * scale)
        total = np.full(n_steps, losses[run].sum())
        assert_close(optimiser.record[run, :-1].get(), total, terms=n_blocks * scale)


@COUNTS
def test_a_long_epoch_is_replayed_from_its_second_graph_on():
    """80 steps an epoch: 32 launched one by one, 32 captured and launched, 16 captured in the next epoch."""
    with strict_cupy.counted() as spent:
        first = train(batch_size=4, n=356, max_epochs=2, patience=100)
    assert spent["kernel"] == 3 * (32 + 32 + 16 + 16) + 2 * 3
    assert_same_but_for_rounding(first, train(np, batch_size=4, n=356, max_epochs=2, patience=100))


def test_many_partial_gradients_are_summed_in_slices():
    """2,000 rows to a batch: 250 blocks, summed by eight threads for each parameter."""
    settings = {"batch_size": 2000, "n": 5000, "max_epochs": 4}
    assert_same_but_for_rounding(train(**settings), train(np, **settings))


def test_float32_stays_float32():
    trained = train(dtype=np.float32)
    assert trained.params["w"].dtype == np.float32
    assert np.abs(trained.params["w"].get() - train().params["w"].get()).max() < 1e-4
