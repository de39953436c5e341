"""What the table of generative models is filled with: Jacobians whose zeros are known, a test that must not
tell noise, ticks."""
import numpy as np
import pytest

import accel
import reference
from experiments import digits_generative
from experiments.harness import framework

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def settings(package=accel, **choice):
    return framework.settings(backend=package.__name__, where="cpu", dtype="float64", quick=True, **choice)


def row(**change):
    plain = {"training": 1.0, "bits": None, "is_bound": False, "n_passes": 1, "zeros": None, "seconds": 1.0,
             "rarest": 0.1, "c2st": 0.5}
    return digits_generative.Measured(**plain | {"samples": None} | change)


@BOTH
def test_zeros_of_jacobians_that_are_known(package):
    on, rng = settings(package), np.random.default_rng(0)
    square = rng.standard_normal((8, 8))
    for matrix, share in ((square, 0), (np.tril(square), 28 / 64), (np.eye(8), 56 / 64), (square[:, :3], 0)):
        assert digits_generative.zero_share(on, lambda x, matrix=matrix: np.tanh(x @ matrix), 8) == share


@BOTH
def test_zeros_of_one_transform_of_each_flow(package):
    """A coupling moves three of six by the other three: 6 + 9 entries are not zero; a masked network's
    Jacobian has 6·7/2."""
    flows = package.density
    for density, key, expected in ((flows.realnvp, "couplings", 1 - 15 / 36),
                                   (flows.maf, "mades", 1 - 21 / 36)):
        params = density.init_params(np.random.default_rng(1), dim=6, n_transforms=2, hidden=(8,))
        params = package.runtime.tree.tree_map(lambda leaf: leaf + 0.3 * (leaf != 0)
                                               + 0.1 * (leaf == 0).all(), params)
        first, second = params[key]
        one = {key: [first, [0 * layer for layer in second]]}

        def forward(x, density=density, one=one):
            return density.forward(one, x)[0]
        assert digits_generative.zero_share(settings(package), forward, 6) == pytest.approx(expected)


@pytest.mark.slow
def test_the_classifier_tells_ink_in_a_corner_and_not_two_halves_of_the_same():
    rng = np.random.default_rng(2)
    one, other = rng.integers(0, 17, (2, 80, 4)).astype(float)
    one[:, 0] = other[:, 0] = 0
    assert digits_generative.told_apart(settings(reference), one, other) < 0.65
    other[:, 0] = 1
    assert digits_generative.told_apart(settings(reference), one, other) > 0.95


@BOTH
def test_levels_come_back_from_the_line_and_bits_of_noise_are_those_of_its_levels(package):
    """Uniform noise has a logistic density on the line, nearly; with what is added on the way back each level
    costs log 17."""
    on, levels = settings(package), np.random.default_rng(3).integers(0, 17, (4000, 4)).astype(float)
    y, added = digits_generative.on_the_line(on, levels, on.rng())
    assert np.array_equal(digits_generative.from_the_line(on, y), levels)
    log_prob = np.sum(-np.abs(y) - 2 * np.log1p(np.exp(-np.abs(y))), axis=1) + added
    assert abs(-log_prob.mean() / 4 - np.log(17)) < 0.01


def test_the_rarest_digit_is_counted_though_none_is_read():
    assert digits_generative.rarest(lambda x: np.arange(len(x)) % 10, np.zeros((200, 64))) == 0.1
    assert digits_generative.rarest(lambda x: np.arange(len(x)) % 9, np.zeros((200, 64))) == 0


@pytest.mark.parametrize("change, function, expected",
                         [({"n_passes": 1}, "passes", "✓  1"), ({"n_passes": 6}, "passes", "✓  6"),
                          ({"n_passes": 1201}, "passes", "✗  1,201"), ({}, "likelihood", "✗  none"),
                          ({"bits": 2.104}, "likelihood", "✓  2.10"),
                          ({"bits": 2.104, "is_bound": True}, "likelihood", "✗  bound, ≤ 2.10"),
                          ({}, "jacobian", "no network"), ({"zeros": 0.0}, "jacobian", "✓  0 %"),
                          ({"zeros": 0.492}, "jacobian", "✗  49 %")])
def test_what_the_cells_say(change, function, expected):
    assert getattr(digits_generative, function)(row(**change)) == expected


def test_a_quick_run_fills_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(digits_generative, "told_apart",
                        lambda settings, real, samples: 0.5 + 0 * float(real.shape == samples.shape))
    record = framework.execute("digits_generative", settings(out=tmp_path))
    values = {name: metric["value"] for name, metric in record["metrics"].items()}
    assert len(values) == 8 + 4 + 6 + 3 * 7 and np.isfinite(list(values.values())).all()
    for name, networks in (("vae", 1), ("gan", 1), ("wgan", 1), ("realnvp", 6), ("maf", 320), ("gmm", 0)):
        assert values[f"{digits_generative.ROWS[name]}: networks in a row for a sample"] == networks
    for name, zeros in (("vae", 0), ("gan", 0), ("realnvp", 1 - (64 + 32 * 32) / 64**2), ("maf", 63 / 128),
                        ("ncsn", 0)):
        assert values[f"{digits_generative.ROWS[name]}: zeros of the Jacobian"] == pytest.approx(zeros,
                                                                                                 abs=0.01)


@pytest.mark.slow
def test_a_quick_run_with_its_classifiers(tmp_path):
    record = framework.execute("digits_generative", settings(out=tmp_path))
    found = [metric["value"] for name, metric in record["metrics"].items() if "C2ST" in name]
    assert len(found) == 8 and min(found) > 0.2 and max(found) <= 1
    assert (tmp_path / "digits_generative.png").stat().st_size > 10_000
