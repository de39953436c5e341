"""The benchmarks on a device, shrunk, on the strict stand-in: they compare before they time, and every row is
there.

The stand-in's times mean nothing. What is tested is that the first run on a GPU meets no misspelt name, no
implicit transfer and no side that computes something else. Kernels run through g++; torch and JAX take part
where they are installed, on the CPU.
"""
import importlib
import importlib.util
import json

import numpy as np
import pytest

from experiments.harness import framework
from experiments.bench import __main__ as bench
from experiments.bench import gpu
from experiments.bench.gpu import clock, ours, tables
from tests.agreement.backends import uses_cuda
from tests.strict_cupy import COMPILER

NO_SIDES = ("ceilings",)
OURS = {"maf_models": {ours.ENGINE}, "maf_compiled": {ours.ENGINE}, "catalogue_whole": {ours.KERNELS},
        "maf_step": {ours.CPU, ours.ARRAYS, ours.KERNELS, ours.ENGINE},
        "realnvp": {ours.CPU, ours.ARRAYS, ours.KERNELS},
        "score_step": {ours.CPU, ours.ARRAYS, ours.KERNELS, ours.ENGINE}}


@pytest.fixture(scope="module")
def cp():
    if uses_cuda() or COMPILER is None:
        pytest.skip("the real CuPy is in this process" if uses_cuda()
                    else "kernels run on the CPU through g++, which was not found")
    from tests import strict_cupy
    return strict_cupy.install()


@pytest.mark.kernels
@pytest.mark.parametrize("name", sorted(framework.titles(gpu)))
def test_a_benchmark_runs(cp, name):
    rows = importlib.import_module(f"experiments.bench.gpu.{name}").run(cp, quick=True)
    json.dumps(rows, allow_nan=False)
    assert bench._table(rows).count("\n") == len(rows)
    if name in NO_SIDES:
        assert all(row["value"] > 0 and row["unit"] for row in rows)
        return
    libraries = {side
                 for side, module in (("torch", "torch"), ("JAX", "jax")) if importlib.util.find_spec(module)}
    libraries -= {"catalogue_whole": libraries, "maf_compiled": {"JAX"}}.get(name, set())
    expected = OURS.get(name, {ours.CPU, ours.ARRAYS, ours.KERNELS}) | libraries
    for work in {(row["work"], row.get("at")) for row in rows}:
        assert {row["side"] for row in rows if (row["work"], row.get("at")) == work} >= expected, work
    for row in rows:
        unit, = (key for key in row if key.startswith("time ["))
        assert row[unit] > 0 and row["cold [s]"] > 0 and (row["rounds"] >= clock.FEWEST
                                                          or row["note"] == "one run")


def test_a_side_is_timed_from_an_idle_device_by_its_pieces(cp):
    import time
    calls = []

    def slow():
        calls.append("slow")
        time.sleep(0.01)
    taken = clock.measured(cp, {"slow": slow, "quick": lambda: calls.append("quick")}, quick=True,
                           pieces={"slow": 10}, on_stream=("slow",))
    assert calls[:4] == ["slow", "slow", "quick", "quick"] and calls[4:] == ["slow", "quick"] * clock.FEWEST
    assert 0.001 <= taken["slow"].least <= taken["slow"].median <= taken["slow"].most
    assert taken["slow"].cold >= 0.01
    assert 0.001 <= taken["slow"].events <= taken["slow"].most and taken["quick"].events is None


def test_a_share_of_a_ceiling_is_of_our_kernels_alone():
    taken = {side: clock.Taken(2e-3, 1e-3, 3e-3, None, 1.0, 5) for side in (ours.CPU, ours.KERNELS, "torch")}
    rows = {row["side"]: row for row in clock.rows("work", taken, counted=(4e9, 1e9),
                                                   ceilings={"product": 4e12, "copy": 1e12})}
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
    with pytest.raises(AssertionError,
                       match="ours, array code: gradient in float64 differs by 1.0e-03, 1e-04 is allowed"):
        maf_step.run(cp, quick=True)


def test_on_a_device_there_are_other_benchmarks(capsys):
    assert bench.main(["list", "--device", "cuda"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [*framework.titles(gpu), "twins"]


# The page


def record(name, *rows, quick=False):
    return {"name": name, "quick": quick, "commit": "abc", "versions": {"cupy": "14.2.0"},
            "machine": {"gpu": "A GPU", "driver": "580"}, "rows": list(rows)}


def row(work, side, time, unit="µs", **more):
    return {"work": work, "side": side, f"time [{unit}]": time, "min–max": "1–2", "rounds": 5,
            "cold [s]": 1.0, **more}


TIMES = {200: {ours.CPU: 900.0, ours.ENGINE: 45.0, "torch": 4000.0},
         5000: {ours.CPU: 16_000.0, ours.ENGINE: 160.0, "torch": 4800.0, "JAX": 240.0}}
STEPS = record("maf_step",
               *(row("MAF training step", side, time, along="batch", at=batch)
                 for batch, times in TIMES.items() for side, time in times.items()))
MODELS = record("maf_models",
                *(row("MAF training step of all models, batch 200", ours.ENGINE, time, along="models", at=n)
                  for n, time in ((1, 50.0), (32, 80.0))))


def found(*records, **others):
    return {"records": list(records), "audit": {}, "counts": {}, "kernels": "", **others}


def test_without_a_record_every_target_says_so():
    assert [measured for _, _, measured in tables.targets(found())] == ["not measured"] * 7
    page = tables.markdown(found())
    assert page.count("| not measured |") == 7 and "Nothing here about the speed of a GPU is measured" in page
    assert "67 Tflop/s" in page and "wins.png" not in page


def test_what_was_measured_stands_beside_what_was_asked():
    got = {work: measured for work, _, measured in tables.targets(found(STEPS, MODELS))}
    assert got["MAF training step, batch 200, float32"] == "45 µs"
    assert got["the same, batch 5,000"] == "30 times PyTorch eager, 1.5 times JAX, not measured"
    assert got["32 such models side by side"] == "1.6 times"
    assert list(got.values()).count("not measured") == 4
    page = tables.markdown(found(STEPS, MODELS))
    assert "Measured on one A GPU, driver 580; cupy 14.2.0" in page
    assert "| MAF training step | 5,000 batch | torch | 4,800 µs |" in page


def test_a_shrunk_run_is_no_measurement(tmp_path):
    (tmp_path / "maf_step-cuda.json").write_text(json.dumps(STEPS | {"quick": True}), "utf-8")
    (tmp_path / "maf_models-cuda.json").write_text(json.dumps(MODELS), "utf-8")
    assert [record["name"] for record in tables.read(tmp_path)["records"]] == ["maf_models"]


def test_the_figure_is_of_one_core_over_the_device(tmp_path):
    (what, line), = tables.wins([STEPS, MODELS]).items()
    assert what == ("MAF training step", "batch") and np.allclose(line, [(200, 20), (5000, 100)])
    tables.figure([STEPS, MODELS]).savefig(tmp_path / "wins.png")
    assert (tmp_path / "wins.png").stat().st_size > 5000


def test_agreement_is_what_an_audit_on_a_device_found():
    rows = [{"function": name, "backend": place, "dtype": "float64", "failures": []} for name in ("a", "b")
            for place in ("numpy", "cuda", "cuda-kernels")]
    assert tables.agreement({"rows": rows}) == "2 functions on cuda, cuda-kernels: 0 failures"
    assert tables.agreement({"rows": rows[:1]}) == "not measured"


@pytest.mark.kernels
def test_launches_are_counted(cp):
    from tests.kernels import counts
    from tests.strict_cupy import counted
    work, unit, n, sides = next(counts.works(cp))
    spent = {}
    for side, call in sides.items():
        call()
        with counted() as spent[side]:
            call()
    assert (unit, n) == ("step", 2) and spent[ours.ARRAYS]["launch"] / n > 100
    assert spent[ours.ARRAYS]["kernel"] == 0
    assert spent[ours.KERNELS]["kernel"] / n == 1
    assert counts.shares({"launch": 3, "kernel": 1, "upcast": 4}, 2) == {"launches": 1.5,
                                                                         "of our kernels": 0.5}
    work, n, engine = next(counts.engines(cp))
    engine()
    engine.rewind()
    with engine.engine.stream, counted() as step:
        engine.step()
    assert step["kernel"] == step["launch"] == 3
