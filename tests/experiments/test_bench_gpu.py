"""The benchmarks on a device, shrunk, on the strict stand-in: they compare before they time, and every row is there.

The stand-in's times mean nothing. What is tested is that the first run on a GPU meets no misspelt name, no implicit transfer and no side
that computes something else. Kernels run through g++; torch and JAX take part where they are installed, on the CPU.
"""
import importlib
import importlib.util
import json

import numpy as np
import pytest

from experiments import framework
from experiments.bench import __main__ as bench
from experiments.bench import gpu
from experiments.bench.gpu import clock, ours
from tests.agreement.backends import uses_cuda
from tests.strict_cupy import COMPILER

pytestmark = [pytest.mark.skipif(COMPILER is None, reason="kernels run on the CPU through g++, which was not found"),
              pytest.mark.skipif(uses_cuda(), reason="the real CuPy is in this process")]
NO_SIDES = ("ceilings",)
OURS = {"maf_models": {ours.ENGINE}, "catalogue_whole": {ours.KERNELS}, "maf_step": {ours.CPU, ours.ARRAYS, ours.KERNELS, ours.ENGINE},
        "score_step": {ours.CPU, ours.ARRAYS, ours.KERNELS, ours.ENGINE}}


@pytest.fixture(scope="module")
def cp():
    from tests import strict_cupy
    return strict_cupy.install()


@pytest.mark.parametrize("name", sorted(framework.titles(gpu)))
def test_a_benchmark_runs(cp, name):
    rows = importlib.import_module(f"experiments.bench.gpu.{name}").run(cp, quick=True)
    json.dumps(rows, allow_nan=False)
    assert bench._table(rows).count("\n") == len(rows)
    if name in NO_SIDES:
        assert all(row["value"] > 0 and row["unit"] for row in rows)
        return
    libraries = {side for side, module in (("torch", "torch"), ("JAX", "jax")) if importlib.util.find_spec(module)}
    expected = OURS.get(name, {ours.CPU, ours.ARRAYS, ours.KERNELS}) | (libraries if name != "catalogue_whole" else set())
    for work in {(row["work"], row.get("at")) for row in rows}:
        assert {row["side"] for row in rows if (row["work"], row.get("at")) == work} >= expected, work
    for row in rows:
        unit, = (key for key in row if key.startswith("time ["))
        assert row[unit] > 0 and row["cold [s]"] > 0 and (row["rounds"] >= clock.FEWEST or row["note"] == "one run")


def test_a_side_is_timed_from_an_idle_device_by_its_pieces(cp):
    import time
    calls = []

    def slow():
        calls.append("slow")
        time.sleep(0.01)
    taken = clock.measured(cp, {"slow": slow, "quick": lambda: calls.append("quick")}, quick=True, pieces={"slow": 10}, on_stream=("slow",))
    assert calls[:4] == ["slow", "slow", "quick", "quick"] and calls[4:] == ["slow", "quick"] * clock.FEWEST
    assert 0.001 <= taken["slow"].least <= taken["slow"].median <= taken["slow"].most and taken["slow"].cold >= 0.01
    assert 0.001 <= taken["slow"].events <= taken["slow"].most and taken["quick"].events is None


def test_a_share_of_a_ceiling_is_of_our_kernels_alone():
    taken = {side: clock.Taken(2e-3, 1e-3, 3e-3, None, 1.0, 5) for side in (ours.CPU, ours.KERNELS, "torch")}
    rows = {row["side"]: row for row in clock.rows("work", taken, counted=(4e9, 1e9), ceilings={"product": 4e12, "copy": 1e12})}
    assert rows[ours.KERNELS]["of the product rate"] == 0.5 and rows[ours.KERNELS]["of the copy rate"] == 0.5
    assert all("of the copy rate" not in rows[side] for side in (ours.CPU, "torch"))
    assert rows["torch"]["time [ms]"] == 2.0 and rows["torch"]["min–max"] == "1–3"


def test_a_side_that_is_wrong_is_not_timed(cp, monkeypatch):
    from experiments.bench.gpu import maf_step
    true = ours.gradient

    def off(model, params, xp, *arguments, **settings):
        return true(model, params, xp, *arguments, **settings) * (1 if xp is np else 1.001)
    monkeypatch.setattr(ours, "gradient", off)
    monkeypatch.setattr(clock, "measured", lambda *a, **k: pytest.fail("timed all the same"))
    with pytest.raises(AssertionError, match="ours, array code: gradient in float64 differs by 1.0e-03, 1e-04 is allowed"):
        maf_step.run(cp, quick=True)


def test_on_a_device_there_are_other_benchmarks(capsys):
    assert bench.main(["list", "--device", "cuda"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [*framework.titles(gpu), "twins"]
