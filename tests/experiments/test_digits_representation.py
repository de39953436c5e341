"""What the digits experiment measures with: its split, and its angle between planes that are known."""
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import digits_representation

SETTINGS = SimpleNamespace(put=lambda tree: tree)


def test_the_split_is_fixed_and_holds_every_digit():
    pixels, labels = digits_representation.load()
    again, _ = digits_representation.load()
    assert np.array_equal(pixels, again) and pixels.shape == (1797, 64)
    assert (pixels.min(), pixels.max()) == (0, 1)
    counts = np.bincount(labels[:digits_representation.N_HELD_OUT], minlength=10)
    assert counts.min() > 20 and counts.sum() == 360
    assert len(np.unique(pixels, axis=0)) == 1797, "no held-out digit is also among the training digits"


@pytest.mark.parametrize("degrees", [0.0, 0.5, 30.0])
def test_angle_between_planes_that_are_known(degrees):
    """The decoder paints a skewed basis of the plane of the first axis and one that leans out of the plane of
    the first two."""
    lean = np.radians(degrees)
    paints = np.array([[2.0, 0.0, 0.0], [1.0, 3.0 * np.cos(lean), 3.0 * np.sin(lean)]])
    linear = SimpleNamespace(inverse_transform=lambda z: 5.0 + z @ paints)
    pca = SimpleNamespace(components=np.eye(3)[:2])
    assert digits_representation.largest_angle(SETTINGS, pca, linear) == pytest.approx(degrees, abs=1e-6)
