"""A fitted flow on pixels: copies, files and processes give the same numbers."""
import copy
import pickle

import numpy as np
import pytest

import accel
import reference

BOTH = pytest.mark.parametrize("package", [pytest.param(package, id=package.__name__)
                                           for package in (reference, accel)])


@BOTH
def test_copies_and_files_give_the_same_numbers_and_share_nothing(package, tmp_path):
    rng = np.random.default_rng(0)
    x, c = rng.integers(0, 4, (40, 3)) * 1.0, rng.standard_normal((40, 2))
    pixel_flow = package.density.pixel_flow
    flow = pixel_flow.fit(x, rng=rng, levels=4, context=c, n_transforms=2, hidden=(4,), max_epochs=2)
    flow.save(tmp_path / "flow.npz")
    expected = flow.bound(np.random.default_rng(1), x, c)
    for again in (copy.copy(flow), copy.deepcopy(flow), pickle.loads(pickle.dumps(flow)),
                  pixel_flow.load(tmp_path / "flow.npz")):
        assert np.array_equal(again.bound(np.random.default_rng(1), x, c), expected)
        assert not np.shares_memory(again.params.flat, flow.params.flat) or again.params is flow.params
