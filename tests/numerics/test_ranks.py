"""Ranks counted by hand and by a loop, blocks that change nothing, and uniform values for discrete laws
too."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference

BOTH = pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))


@BOTH
def test_counts_are_those_of_a_loop(package, monkeypatch):
    """In float32 too, and in accel whatever the size of its blocks."""
    rng = np.random.default_rng(0)
    samples, truths = np.round(2 * rng.standard_normal((7, 11, 2))), np.round(2 * rng.standard_normal((7, 2)))
    below = [[sum(theta < truths[m, d] for theta in samples[m, :, d]) for d in range(2)] for m in range(7)]
    equal = [[sum(theta == truths[m, d] for theta in samples[m, :, d]) for d in range(2)] for m in range(7)]
    assert np.sum(equal) > 10
    for block in (1, 25, 1000) if package is accel else (None,):
        if block:
            monkeypatch.setattr(accel.numerics.ranks, "BLOCK", block)
        for dtype in (np.float64, np.float32):
            found = package.numerics.ranks.count_below(samples.astype(dtype), truths.astype(dtype))
            assert found[0].tolist() == below and found[1].tolist() == equal


@BOTH
def test_a_value_lies_in_the_gap_of_its_rank(package):
    counts, ties, samples = np.array([[0], [3], [9]]), np.array([[0], [2], [0]]), np.zeros((3, 9, 1))
    drawn = np.stack([package.numerics.ranks.randomised(np.random.default_rng(k), counts, ties,
                                                        samples)[:, 0] for k in range(500)])
    low, high = np.array([0, 3, 9]) / 10, np.array([1, 6, 10]) / 10
    assert (drawn >= low).all() and (drawn <= high).all()
    assert (np.ptp(drawn, axis=0) > 0.9 * (high - low)).all()


@BOTH
def test_values_of_a_coin_are_uniform(package, seed):
    """θ* and its samples are 0 or 1: only the random breaking of ties makes v uniform."""
    rng = np.random.default_rng((seed, 1))
    draws = rng.integers(0, 2, (20_000, 9, 1)).astype(float)
    below, equal = package.numerics.ranks.count_below(draws[:, 1:], draws[:, 0])
    v = package.numerics.ranks.randomised(rng, below, equal, draws[:, 1:])
    assert stats.kstest(v[:, 0], "uniform").pvalue > 0.001
    assert stats.kstest(below[:, 0] / 8, "uniform").pvalue < 1e-6                           # the control: r/L
