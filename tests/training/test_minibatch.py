"""The training loop: what it returns, what it keeps when it is stopped, and that a resumed run is the run
that was not stopped."""
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import flatten

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def quadratic(package, *, poison_at=None, interrupt_at=None):
    """loss = mean ½(w·x − y)², with a count of its calls; at a given call it is NaN, or the user presses
    ^C."""
    calls = SimpleNamespace(n=0)

    def loss(params, x, y):
        return 0.5 * np.mean((x @ params["w"] - y) ** 2)

    def loss_and_grad(params, x, y):
        calls.n += 1
        if calls.n == interrupt_at:
            raise KeyboardInterrupt
        value = np.nan if calls.n == poison_at else loss(params, x, y)
        return value, {"w": x.T @ (x @ params["w"] - y) / len(x)}
    return SimpleNamespace(loss=loss, loss_and_grad=loss_and_grad, calls=calls)


def data(n=100):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 3))
    return x, x @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.standard_normal(n)


def train(package, model, **settings):
    settings = ({"rng": np.random.default_rng(1), "batch_size": 10, "learning_rate": 0.05, "max_epochs": 12}
                | settings)
    return package.training.minibatch.train(model, {"w": np.zeros(3)}, data(), **settings)


@BOTH
def test_it_finds_least_squares(package):
    x, y = data()
    trained = train(package, quadratic(package), max_epochs=200, patience=200, validation_fraction=0.0,
                    learning_rate=0.02, schedule=package.training.optim.cosine)
    assert np.abs(trained.params["w"] - np.linalg.lstsq(x, y)[0]).max() < 1e-3
    assert trained.best_epoch == 200 and trained.stopped == "max_epochs"
    assert np.isnan([trained.loss, *trained.history["validation_loss"]]).all()


@BOTH
def test_early_stopping_returns_a_copy_of_the_best(package):
    """With a learning rate that makes it wander, the best epoch is not the last one: its loss must be that of
    the parameters."""
    kept = []

    def loss(params, x, y):
        kept.append(np.array(params["w"]))
        return quadratic(package).loss(params, x, y)
    model = quadratic(package)
    model.loss = loss
    trained = train(package, model, learning_rate=1.0, patience=3, max_epochs=100)
    losses = trained.history["validation_loss"]
    assert trained.stopped == "patience" and trained.best_epoch == len(losses) - 3 == np.argmin(losses) + 1
    assert trained.loss == min(losses)
    assert np.array_equal(trained.params["w"], kept[trained.best_epoch])
    assert not np.array_equal(kept[-1], trained.params["w"])


@BOTH
def test_a_start_that_nothing_improves_is_returned(package):
    x, y = data()
    best = np.linalg.lstsq(x, y)[0]
    trained = package.training.minibatch.train(quadratic(package), {"w": best}, (x, y),
                                               rng=np.random.default_rng(1), learning_rate=5.0, patience=3,
                                               max_epochs=10)
    assert trained.best_epoch == 0 and np.array_equal(trained.params["w"], best)
    assert trained.loss < min(trained.history["validation_loss"])


@BOTH
def test_the_start_is_not_changed(package):
    params = {"w": np.zeros(3)}
    package.training.minibatch.train(quadratic(package), params, data(), rng=np.random.default_rng(1),
                                     max_epochs=2)
    assert not params["w"].any()


@BOTH
def test_a_loss_that_is_not_finite_names_the_step_and_keeps_the_last_good_parameters(package):
    """9 batches an epoch: call 23 is the fifth step of the third epoch."""
    good = train(package, quadratic(package), max_epochs=2, schedule=package.training.optim.constant)
    with pytest.raises(package.training.minibatch.NonFiniteLossError, match="step 23") as caught:
        train(package, quadratic(package, poison_at=23))
    assert caught.value.step == 23 and len(caught.value.history["train_loss"]) == 2
    assert np.array_equal(caught.value.params["w"], good.params["w"])
    assert np.isfinite(caught.value.params["w"]).all()


@BOTH
def test_an_interruption_returns_the_best_so_far(package):
    good = train(package, quadratic(package), max_epochs=2)
    with pytest.warns(UserWarning, match="interrupted in epoch 3"):
        stopped = train(package, quadratic(package, interrupt_at=23))
    assert stopped.stopped == "interrupted" and np.array_equal(stopped.params["w"], good.params["w"])


@BOTH
@pytest.mark.parametrize("interrupt_at", [1, 10, 23, 100])
def test_a_resumed_run_is_the_run_that_was_not_stopped(package, interrupt_at, tmp_path):
    path = tmp_path / "run.npz"
    whole = train(package, quadratic(package))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train(package, quadratic(package, interrupt_at=interrupt_at), checkpoint=path)
    resumed = train(package, quadratic(package), checkpoint=path,
                    rng=np.random.default_rng(1 if interrupt_at == 1 else 999))
    assert same(flatten(resumed), flatten(whole))
    again = quadratic(package)
    assert same(flatten(train(package, again, checkpoint=path)), flatten(whole)) and again.calls.n == 0


def same(left, right):
    return left.keys() == right.keys() and all(np.array_equal(left[key], right[key]) for key in left)


@BOTH
def test_a_checkpoint_of_another_run_is_refused(package, tmp_path):
    path = tmp_path / "run.npz"
    train(package, quadratic(package), checkpoint=path)
    for settings in ({"batch_size": 20}, {"learning_rate": 0.1}, {"schedule": package.training.optim.cosine}):
        with pytest.raises(ValueError, match=f"checkpoint: expected {next(iter(settings))}"):
            train(package, quadratic(package), checkpoint=path, **settings)
    x, y = data()
    with pytest.raises(ValueError, match="checkpoint: expected data"):
        package.training.minibatch.train(quadratic(package), {"w": np.zeros(3)}, (x, y + 1),
                                         rng=np.random.default_rng(1), batch_size=10, learning_rate=0.05,
                                         max_epochs=12, checkpoint=path)


@BOTH
def test_noise_is_drawn_for_every_batch_and_once_for_validation(package):
    seen = []

    def loss(params, x, y, noise):
        seen.append(("validation", np.array(noise)))
        return np.mean((x @ params["w"] - y) ** 2)

    def loss_and_grad(params, x, y, noise):
        seen.append(("step", np.array(noise)))
        assert noise.shape == (len(x), 2)
        return np.mean((x @ params["w"] - y) ** 2), {"w": x.T @ (x @ params["w"] - y) / len(x)}
    model = SimpleNamespace(loss=loss, loss_and_grad=loss_and_grad,
                            draw_noise=lambda rng, n: rng.standard_normal((n, 2)))
    train(package, model, max_epochs=2)
    steps, validation = ([noise for kind, noise in seen if kind == which] for which in ("step", "validation"))
    assert len(steps) == 18 and len({noise.tobytes() for noise in steps}) == 18
    assert len(validation) == 3 and all(np.array_equal(noise, validation[0]) for noise in validation)
    assert len(validation[0]) == 10


@BOTH
def test_few_samples_make_one_batch_and_one_held_out(package):
    sizes = []
    model = quadratic(package)
    count = model.loss_and_grad
    model.loss_and_grad = lambda params, x, y: (sizes.append(len(x)), count(params, x, y))[1]
    x, y = data(5)
    package.training.minibatch.train(model, {"w": np.zeros(3)}, (x, y), rng=np.random.default_rng(0),
                                     max_epochs=2)
    assert sizes == [4, 4]


@BOTH
def test_progress_is_shown_on_request(package, capsys):
    train(package, quadratic(package), max_epochs=2)
    assert capsys.readouterr().err == ""
    train(package, quadratic(package), max_epochs=2, progress=True)
    assert "2/2" in capsys.readouterr().err


def test_the_literal_loop_gives_the_numbers_of_the_loop_that_is_used():
    """No split, no schedule: what is left of `train` is formulas (2) and (3)."""
    from reference.density import maf
    rng = np.random.default_rng(0)
    x, c = rng.standard_normal((43, 2)), rng.standard_normal((43, 1))
    params = maf.init_params(rng, dim=2, context_dim=1, n_transforms=2, hidden=(5,))
    settings = {"learning_rate": 1e-2, "batch_size": 10, "clip_norm": 0.7}
    literal = reference.training.minibatch.train_literal(maf, params, (x, c), rng=np.random.default_rng(1),
                                                         n_epochs=3, **settings)
    used = reference.training.minibatch.train(maf, params, (x, c), rng=np.random.default_rng(1), max_epochs=3,
                                              validation_fraction=0.0, **settings)
    ravel = reference.runtime.tree.ravel
    assert np.array_equal(ravel(literal), ravel(used.params))
    assert not np.array_equal(ravel(literal), ravel(params))
