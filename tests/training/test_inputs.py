"""Input checks of the training loops."""
import numpy as np
import pytest

import accel
import reference

BOTH = pytest.mark.parametrize("package", [pytest.param(package, id=package.__name__)
                                           for package in (reference, accel)])
SETTINGS = {"learning_rate": 1e-3, "batch_size": 30, "max_epochs": 5, "patience": 2,
            "validation_fraction": 0.1,
            "clip_norm": 5.0}
ADVERSARIAL = {"n_critic": 2, "averaging": 0.5, "learning_rate": 1e-3, "beta1": 0.5, "beta2": 0.9,
               "batch_size": 30, "n_epochs": 5}


@BOTH
@pytest.mark.parametrize(("n", "fraction", "held_out", "batch"), [(100, 0.1, 10, 30), (20, 0.1, 2, 18),
                                                                  (3, 0.1, 1, 2),
                                                                  (2, 0.9, 1, 1), (50, 0, 0, 30)])
def test_the_sizes_of_split_and_batch(package, n, fraction, held_out, batch):
    found = package.training.inputs.check_settings(n, **SETTINGS | {"validation_fraction": fraction})
    assert (found["n_validation"], found["batch_size"]) == (held_out, batch)


@BOTH
@pytest.mark.parametrize("change",
                         [{"learning_rate": 0.0}, {"batch_size": 0}, {"max_epochs": 1.5}, {"patience": 0},
                                    {"validation_fraction": 1.0}, {"clip_norm": np.inf}])
def test_a_setting_out_of_range_is_named(package, change):
    with pytest.raises(ValueError, match=f"^{next(iter(change))}: expected"):
        package.training.inputs.check_settings(100, **SETTINGS | change)


@BOTH
@pytest.mark.parametrize("change", [{"n_critic": 0}, {"averaging": 1.0}, {"beta1": -0.1}, {"beta2": 1.0},
                                    {"learning_rate": -1.0}, {"n_epochs": 0}])
def test_an_adversarial_setting_out_of_range_is_named(package, change):
    check = package.training.inputs.check_adversarial_settings
    assert check(10, **ADVERSARIAL)["batch_size"] == 10
    with pytest.raises(ValueError, match=f"^{next(iter(change))}: expected"):
        check(10, **ADVERSARIAL | change)


@BOTH
def test_noise_is_a_list_of_arrays(package):
    class Model:
        def draw_noise(self, rng, n):
            return rng.random(n)
    rng, draw = np.random.default_rng(0), package.training.inputs.draw
    assert [a.shape for a in draw(Model(), rng, 4)] == [(4,)] and draw(Model(), rng,
                                                                       0) == [] == draw(object(), rng, 4)
