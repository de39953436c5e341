"""The benchmark of the twins: it compares before it times, and its rows hold what the table needs."""
import numpy as np
import pytest

from experiments.bench import twins


def test_rows_are_complete():
    rows = twins.run(np, quick=True)
    assert [row["work"].partition(":")[0] for row in rows] == ["maf", "maf", "nsf", "nsf"]
    for row in rows:
        assert row["rounds"] >= 5 and row["reference / accel float32"] > 0
        assert row["reference / accel float64"] == pytest.approx(row["reference [ms]"] / row["accel float64 [ms]"], abs=0.06)


def test_sides_that_disagree_are_not_timed():
    def step():
        raise RuntimeError("timed all the same")
    results = {"reference": np.ones(3), "accel float64": np.array([1.0, 1.0, 1.001])}
    with pytest.raises(AssertionError, match="accel float64 differs from the reference by 1.0e-03 of the scale, 1e-10 is allowed"):
        twins._row(np, "work", dict.fromkeys(results, step), results, quick=True)
