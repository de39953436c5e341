"""The state of a run in a file: what comes back, and what is refused."""
import numpy as np
import pytest

import accel
import reference

BOTH = pytest.mark.parametrize("package", [pytest.param(package, id=package.__name__)
                                           for package in (reference, accel)])
IDENTITY = {"batch_size": 5, "data": [[10, 2], 1.5]}


class Mute:
    """A generator that cannot tell its state."""


@BOTH
def test_a_run_goes_on_with_the_generator_where_it_was(package, tmp_path):
    checkpoint, rng = package.training.checkpoint, np.random.default_rng(3)
    state = {"params": np.arange(3.0), "epoch": 2, "history": {"train_loss": [1.0, 0.5]}}
    rng.random(7)
    checkpoint.save(tmp_path / "run.npz", "training", IDENTITY, state, rng)
    expected, other = rng.random(4), np.random.default_rng(0)
    found = checkpoint.load(tmp_path / "run.npz", "training", IDENTITY, 3, other)
    assert found["epoch"] == 2 and found["history"] == state["history"]
    assert np.array_equal(found["params"], state["params"]) and np.array_equal(other.random(4), expected)


@BOTH
def test_a_mark_takes_the_place_of_the_generators_state(package, tmp_path):
    checkpoint, rng = package.training.checkpoint, np.random.default_rng(3)
    mark, expected = checkpoint.rng_state(rng), rng.random(2)
    checkpoint.save(tmp_path / "run.npz", "training", IDENTITY, {"params": np.zeros(1)}, rng, mark=mark)
    other = np.random.default_rng(0)
    checkpoint.load(tmp_path / "run.npz", "training", IDENTITY, 1, other)
    assert np.array_equal(other.random(2), expected)


@BOTH
def test_no_file_is_no_state(package, tmp_path):
    load, rng = package.training.checkpoint.load, np.random.default_rng(0)
    assert load(None, "training", IDENTITY, 3, Mute()) is None
    assert load(tmp_path / "none.npz", "training", IDENTITY, 3, rng) is None


@BOTH
def test_a_file_of_another_run_and_a_mute_generator_are_refused(package, tmp_path):
    checkpoint, rng, path = package.training.checkpoint, np.random.default_rng(0), tmp_path / "run.npz"
    checkpoint.save(path, "training", IDENTITY, {"params": np.zeros(3)}, rng)
    for identity, size, words in ((IDENTITY | {"batch_size": 6}, 3, "expected batch_size = 5"),
                                  (IDENTITY, 4, "expected parameters of 3 numbers .* got 4")):
        with pytest.raises(ValueError, match=words):
            checkpoint.load(path, "training", identity, size, rng)
    with pytest.raises(ValueError, match="training"):
        checkpoint.load(path, "adversarial", IDENTITY, 3, rng)
    with pytest.raises(ValueError, match="^rng: "):
        checkpoint.load(path, "training", IDENTITY, 3, Mute())
