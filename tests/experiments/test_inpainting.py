"""What the inpainting experiment measures with: its two parts of a digit, and its Gaussian, on numbers that
are known."""
from types import SimpleNamespace

import numpy as np
import pytest

import accel
from experiments import inpainting
from experiments.harness import framework


def test_centre_and_rest_are_a_square_and_what_is_left():
    image = np.zeros(64)
    image[inpainting.CENTRE] = 1
    assert np.array_equal(image.reshape(8, 8)[2:6, 2:6], np.ones((4, 4))) and image.sum() == 16
    assert np.array_equal(np.sort(np.concatenate((inpainting.CENTRE, inpainting.REST))), np.arange(64))


@pytest.mark.parametrize("hidden", [inpainting.CENTRE, inpainting.REST])
def test_neighbours_among_the_hidden_pixels_are_in_different_halves(hidden):
    order = inpainting.order_of(SimpleNamespace(package=accel), hidden)
    half = np.full(64, -1)
    half[hidden[order]] = np.arange(len(hidden)) < len(hidden) // 2
    half = half.reshape(8, 8)
    for one, other in ((half[1:], half[:-1]), (half[:, 1:], half[:, :-1])):
        assert ((one < 0) | (other < 0) | (one != other)).all()
    assert np.array_equal(np.sort(order), np.arange(len(hidden)))


def test_a_completed_digit_keeps_what_was_given():
    x, draws = np.arange(128.0).reshape(2, 64), -np.ones((2, 3, 16))
    whole = inpainting.completed(x, inpainting.CENTRE, draws)
    assert whole.shape == (2, 3, 64) and (whole[..., inpainting.CENTRE] == -1).all()
    assert (whole[:, 2][:, inpainting.REST] == x[:, inpainting.REST]).all()


def test_zeros_are_counted_among_the_completions_of_zeros_alone():
    """A reader that calls bright digits zeros: of the two held-out zeros, three of six completions are
    bright."""
    x, labels, draws = np.zeros((3, 64)), np.array([0, 7, 0]), np.zeros((3, 3, 48))
    draws[0, :2], draws[1], draws[2, 0] = 9, 9, 9
    assert inpainting.as_zeros(lambda digits: np.where(digits.sum(axis=1) > 0, 0, 1), x, labels, draws) == 0.5


def normal_levels(rng, n):
    """A hidden pixel whose logit is N(0.5 g − 1, 0.6²) for a given level g, rounded to its cell."""
    g = rng.integers(0, 5, (n, 1)).astype(float)
    u = 1 / (1 + np.exp(-(0.5 * g - 1 + 0.6 * rng.standard_normal((n, 1)))))
    return np.floor(inpainting.LEVELS * u), g, u


def test_the_gaussian_finds_a_conditional_that_is_normal():
    """Its mean and width within what rounding to 17 levels leaves; the bound is close to the entropy of the
    levels, by counting."""
    x, g, _ = normal_levels(np.random.default_rng(0), 20_000)
    gaussian = inpainting.Gaussian(np.random.default_rng(1), x, g)
    assert np.abs(gaussian.predicted(np.array([[0.0], [4.0]]))[:, 0] - [-1.0, 1.0]).max() < 0.05
    assert abs(np.sqrt(gaussian.covariance[0, 0]) - 0.6) < 0.05
    tables = np.stack([np.bincount(x[g[:, 0] == level, 0].astype(int), minlength=inpainting.LEVELS)
                       for level in range(5)])
    share = tables / tables.sum(axis=1, keepdims=True)
    entropy = -np.sum(tables * np.log(np.where(share > 0, share, 1))) / len(x)
    fresh, given, _ = normal_levels(np.random.default_rng(2), 20_000)
    found = -gaussian.bound(np.random.default_rng(3), fresh, given).mean()
    assert entropy < found < entropy + 0.05
    draws = gaussian.sample(np.random.default_rng(4), 2000, np.array([[0.0], [4.0]]))
    assert draws.shape == (2, 2000, 1) and abs(draws[1].mean() - x[g == 4].mean()) < 0.3


def test_a_quick_run_reports_every_number(tmp_path):
    settings = framework.settings(where="cpu", quick=True, out=tmp_path)
    record = framework.execute("inpainting", settings)
    values = [metric["value"] for metric in record["metrics"].values()]
    assert len(values) == 15 and np.isfinite(values).all()
    assert (tmp_path / "inpainting.png").stat().st_size > 10_000
