"""The adversarial loop: who learns when and against what, what is returned, and that a resumed run is the run
that was not stopped."""
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import flatten

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def duel(*, poison_at=None, interrupt_at=None):
    """The generator is one number g that follows the critic's c, and c follows the data; both losses are half
    a squared distance.

    Records every call: who learns, a copy of both numbers, and the noise. At a given step of the critic its
    loss is NaN, or the user presses ^C.
    """
    calls = []

    def own(who, value, slope, params, noise):
        calls.append((who, params["generator"][0].item(), params["critic"][0].item(), noise))
        n_critic = sum(call[0] == "critic" for call in calls)
        if who == "critic" and n_critic == interrupt_at:
            raise KeyboardInterrupt
        return np.nan if who == "critic" and n_critic == poison_at else value, {who: [np.array([[slope]])]}

    def critic(params, x, noise):
        distance = params["critic"][0].item() - np.mean(x + 0.1 * noise)
        return own("critic", 0.5 * distance**2, distance, params, noise)

    def generator(params, noise):
        distance = params["generator"][0].item() - params["critic"][0].item()
        return own("generator", 0.5 * distance**2, distance, params, noise)

    def noise(rng, n):
        return (rng.standard_normal((n, 1)),)
    return SimpleNamespace(critic_loss_and_grad=critic, generator_loss_and_grad=generator, critic_noise=noise,
                           generator_noise=noise, calls=calls)


def start():
    return {"generator": [np.array([[0.0]])], "critic": [np.array([[1.0]])]}


def data(n=40):
    return 3 + 0.1 * np.random.default_rng(0).standard_normal((n, 1))


def train(package, model, **settings):
    settings = ({"rng": np.random.default_rng(1), "batch_size": 10, "learning_rate": 0.05, "n_epochs": 6}
                | settings)
    return package.training.adversarial.train(model, start(), data(), **settings)


@BOTH
@pytest.mark.parametrize("n_critic", [1, 3])
def test_who_learns_when(package, n_critic):
    """Four batches an epoch; the count of critic steps goes on over the end of an epoch."""
    model = duel()
    train(package, model, n_critic=n_critic, n_epochs=3)
    order = "".join(call[0][0] for call in model.calls)
    assert order == ("c" * n_critic + "g") * (12 // n_critic)


@BOTH
def test_the_opponent_stands_still(package):
    """A step of one network leaves the other's number as it was, and every step has its own noise."""
    model = duel()
    train(package, model, n_critic=2)
    for before, after in zip(model.calls, model.calls[1:]):
        moved, frozen = (1, 2) if before[0] == "generator" else (2, 1)
        assert before[moved] != after[moved] and before[frozen] == after[frozen]
    assert len({call[3].tobytes() for call in model.calls}) == len(model.calls)


@BOTH
def test_both_arrive(package):
    trained = train(package, duel(), n_epochs=100, schedule=package.training.optim.cosine)
    assert abs(trained.params["critic"][0].item() - 3) < 0.1
    assert abs(trained.params["generator"][0].item() - 3) < 0.1
    assert trained.stopped == "n_epochs" and list(trained.history) == ["generator_loss", "critic_loss"]
    assert len(trained.history["critic_loss"]) == 100
    assert trained.history["critic_loss"][-1] < 1e-2 < trained.history["critic_loss"][0]


@BOTH
def test_the_generator_is_averaged(package):
    """By the definition, from the numbers that the calls saw: ∑ₜ (1 − d) d^(T−t) wₜ, over the sum of these
    weights."""
    averaging, model = 0.7, duel()
    trained = train(package, model, averaging=averaging)
    # after each of its steps but the last
    seen = [call[1] for call in model.calls if call[0] == "critic"][1:]
    last = train(package, duel()).params["generator"][0].item()
    path = np.array([*seen, last])
    weights = averaging ** np.arange(len(path))[::-1]
    assert abs(trained.params["generator"][0].item() - np.average(path, weights=weights)) < 1e-12
    assert abs(trained.params["generator"][0].item() - last) > 0.01, "the control: not the last one"


@BOTH
def test_without_a_step_of_the_generator_it_is_returned_as_it_came(package):
    trained = train(package, duel(), n_critic=100, averaging=0.9)
    assert trained.params["generator"][0].item() == 0.0 and np.isnan(trained.history["generator_loss"]).all()


@BOTH
def test_the_start_is_not_changed(package):
    params = start()
    package.training.adversarial.train(duel(), params, data(), rng=np.random.default_rng(1), n_epochs=2)
    assert params["generator"][0] == 0.0 and params["critic"][0] == 1.0


@BOTH
def test_a_loss_that_is_not_finite_names_the_step_and_keeps_the_last_good_parameters(package):
    """Four batches an epoch: step 11 is in the third."""
    good = train(package, duel(), n_epochs=2, schedule=package.training.optim.constant)
    with pytest.raises(package.training.minibatch.NonFiniteLossError, match="step 11") as caught:
        train(package, duel(poison_at=11))
    assert caught.value.step == 11 and len(caught.value.history["critic_loss"]) == 2
    assert same(flatten(caught.value.params), flatten(good.params))


@BOTH
def test_an_interruption_returns_the_last_finished_epoch(package):
    good = train(package, duel(), n_epochs=2)
    with pytest.warns(UserWarning, match="interrupted in epoch 3"):
        stopped = train(package, duel(interrupt_at=11))
    assert stopped.stopped == "interrupted" and same(flatten(stopped.params), flatten(good.params))


@BOTH
@pytest.mark.parametrize("interrupt_at", [1, 4, 11, 24])
def test_a_resumed_run_is_the_run_that_was_not_stopped(package, interrupt_at, tmp_path):
    path = tmp_path / "run.npz"
    settings = {"averaging": 0.8, "n_critic": 3, "schedule": package.training.optim.cosine}
    whole = train(package, duel(), **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train(package, duel(interrupt_at=interrupt_at), checkpoint=path, **settings)
    resumed = train(package, duel(), checkpoint=path,
                    rng=np.random.default_rng(1 if interrupt_at < 5 else 999), **settings)
    assert same(flatten(resumed), flatten(whole))
    again = duel()
    assert same(flatten(train(package, again, checkpoint=path, **settings)), flatten(whole))
    assert not again.calls


def same(left, right):
    return left.keys() == right.keys() and all(left[key] == right[key] or np.isnan(left[key])
                                               and np.isnan(right[key]) for key in left)


@BOTH
def test_a_checkpoint_of_another_run_is_refused(package, tmp_path):
    path = tmp_path / "run.npz"
    train(package, duel(), checkpoint=path)
    for settings in ({"batch_size": 20}, {"learning_rate": 0.1}, {"n_critic": 2}, {"averaging": 0.5},
                     {"schedule": package.training.optim.cosine}):
        with pytest.raises(ValueError, match=f"checkpoint: expected {next(iter(settings))}"):
            train(package, duel(), checkpoint=path, **settings)
    with pytest.raises(ValueError, match="checkpoint: expected data"):
        package.training.adversarial.train(duel(), start(), data() + 1, rng=np.random.default_rng(1),
                                           batch_size=10, learning_rate=0.05, n_epochs=6, checkpoint=path)
    with pytest.raises(ValueError, match="expected a saved 'training'"):
        package.training.minibatch.train(duel(), start(), (data(),), rng=np.random.default_rng(1),
                                         checkpoint=path)
    with pytest.raises(ValueError, match="rng: expected a NumPy Generator"):
        train(package, duel(), checkpoint=tmp_path / "new.npz", rng=SimpleNamespace(random=None))


@BOTH
def test_fewer_samples_than_a_batch_make_one_batch(package):
    model = duel()
    package.training.adversarial.train(model, start(), data(3), rng=np.random.default_rng(1), n_epochs=2)
    assert [len(call[3]) for call in model.calls] == [3] * 4


@BOTH
def test_bad_settings_are_refused(package):
    for settings, message in (({"averaging": 1.0}, r"averaging: expected a number in \[0, 1\)"),
                              ({"n_critic": 0}, "n_critic"), ({"batch_size": 0}, "batch_size"),
                              ({"n_epochs": 1.5}, "n_epochs"), ({"beta1": 1.0}, "beta1"),
                              ({"learning_rate": np.inf}, "learning_rate")):
        with pytest.raises(ValueError, match=message):
            train(package, duel(), **settings)


@BOTH
def test_progress_is_shown_on_request(package, capsys):
    train(package, duel(), n_epochs=2)
    assert capsys.readouterr().err == ""
    train(package, duel(), n_epochs=2, progress=True)
    assert "2/2" in capsys.readouterr().err
