"""The benchmarks: they compare before they time, every side in turn, and a row where we lose stays in the
table."""
import sys
import time
from functools import partial

import numpy as np
import pytest

import reference
from experiments.bench import limits, pages, scaling, tables, timing, twins
from experiments.bench.__main__ import main
from tests.agreement.public import modules


def test_rows_are_complete():
    rows = twins.run(np, quick=True)
    assert [row["work"].partition(":")[0] for row in rows] == ["maf", "maf", "nsf", "nsf"]
    for row in rows:
        assert row["rounds"] >= 5 and row["reference / accel float32"] > 0
        assert row["reference / accel float64"] == pytest.approx(row["reference [ms]"]
                                                                 / row["accel float64 [ms]"], abs=0.06)


def test_every_page_is_a_module_and_its_twins_are_compared_before_they_are_timed(monkeypatch):
    assert pages.PAGES.keys() <= modules(reference)
    rows = pages.run(np, quick=True)
    assert len(rows) == 3 and all(row["reference / accel float32"] > 0 for row in rows)
    values = iter((1.0, 1.0, 1.01))
    with pytest.raises(
            AssertionError,
            match="page: accel float32 differs from the reference by 1.0e-02 of the scale, 2e-03 is allowed"):
        pages.measure(np, "page", "work", lambda side: partial(np.array, [next(values)]), True)


def test_sides_that_disagree_are_not_timed():
    def step():
        raise RuntimeError("timed all the same")
    results = {"reference": np.ones(3), "accel float64": np.array([1.0, 1.0, 1.001])}
    with pytest.raises(
            AssertionError,
            match="accel float64 differs from the reference by 1.0e-03 of the scale, 1e-10 is allowed"):
        twins._row(np, "work", dict.fromkeys(results, step), results, quick=True)


def test_every_side_is_timed_in_turn_and_by_its_pieces():
    order = []

    def side(name, seconds):
        def step():
            order.append(name)
            time.sleep(seconds)
        return step
    taken, rounds = timing.interleaved({"ours": side("ours", 0.002), "peer": side("peer", 0.02)}, quick=False,
                                       seconds=0.02, fewest=5, per_call={"ours": 1, "peer": 10})
    assert rounds >= 5 and order == ["ours", "peer"] * (rounds + 1)               # once untimed
    assert all(low <= median <= high for median, low, high in taken.values())
    # one sleeps ten times as long, over ten pieces
    assert taken["ours"][0] >= 0.002 and 0.002 <= taken["peer"][0] < 0.02
    row, = timing.against("work", taken, rounds, targets={"peer": 3}, compared={"peer": "both slept"})
    assert row["ratio"] == pytest.approx(row["peer [ms]"] / row["ours [ms]"], rel=0.02) and row["target"] == 3


RECORD = {"versions": {"python": "3.12.1"}, "machine": {"processor": "A | processor"},
          "rows": [{"work": "met", "peer": "sbi", "ratio": 12.0, "target": 10, "ours [ms]": 1.0,
                    "peer [ms]": 12.0, "compared": "loss"},
                   {"work": "lost", "peer": "flowjax", "ratio": 0.5, "target": 1.3, "ours [s]": 2.0,
                    "peer [s]": 1.0, "compared": "loss"},
                   {"work": "never there", "peer": "sbi", "ratio": None, "target": 30,
                    "compared": "mean log q"},
                   {"work": "reported", "peer": "pyabc", "ratio": 9000, "target": None, "ours [µs]": 0.06,
                    "peer [µs]": 540.0, "compared": "accepted"}],
          "blas": [{"library": "openblas", "version": "0.3", "kernel": "Haswell"}]}


def test_the_table_keeps_rows_that_lose_and_the_figure_draws(tmp_path):
    lines = tables.markdown([RECORD, {**RECORD, "rows": [{"work": "twins"}]}]).splitlines()
    cells = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in lines if line.startswith("|")}
    assert {name: row[6].strip() for name, row in cells.items()
            if name in ("met", "lost", "never there", "reported")} == {"met": "✓", "lost": "✗",
                                                                       "never there": "✗", "reported": ""}
    assert cells["lost"][2:5] == ["2 s", "1 s", "0.5"]
    assert cells["never there"][2:5] == ["–", "–", "–"] and "twins" not in cells
    tables.figure([RECORD]).savefig(tmp_path / "ratios.png")
    assert (tmp_path / "ratios.png").stat().st_size > 5000


def test_shares_of_the_limit_are_of_one_whole():
    limit, *rows = limits.run(np, quick=True)
    assert [row["work"].partition(" ")[0] for row in rows] == ["MAF", "RealNVP", "DSM", "NRE", "PCA"]
    for row in rows:
        assert row["fraction"] > 0 and row["Gflop/s"] == pytest.approx(row["fraction"] * limit["Gflop/s"],
                                                                       rel=0.05, abs=0.2)
        assert row["Gflop/s"] == pytest.approx(row["Mflop"] / row["ours [ms]"], rel=0.05, abs=0.2)
    for row in rows[:-1]:
        assert row["products alone"] + row["tanh"] + row["rest"] == pytest.approx(1, abs=0.002)
    page = tables.limits([{"rows": [limit, *rows]}])
    assert page.count("\n| ") == 2 + len(rows) and "| – | – |" in page and tables.limits([RECORD]) == ""


def test_products_of_a_step_are_counted():
    """A linear network of one layer, 3 inputs and a bias, 2 outputs, 5 columns: 2·2·4·5 operations forward,
    as many for its gradient."""
    count = lambda products: sum(2 * m * k * n for m, k, n in products)                     # noqa: E731
    assert count(limits.network((3, 2), 5, 0)) == 160
    assert count(limits.network((3, 2), 5, 3)) == 160 + 2 * 3 * 2 * 5
    assert count(limits.network((3, 7, 2), 5, 0)) == 2 * (2 * 5 * (4 * 7 + 8 * 2)) + 2 * 5 * 7 * 2


def test_curves_have_points_and_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "memory", lambda quick: [])                                # tried below
    rows = scaling.run(np, quick=True)
    assert {row["along"] for row in rows} == {"batch size", "simulations", "dimension of θ", "processes"}
    assert all(row.get("ours [ms]", 0) + row.get("ours [s]", 0) > 0 for row in rows)
    assert tables.points([RECORD, {"rows": rows}]) == rows
    tables.scaling([{"rows": rows}]).savefig(tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").stat().st_size > 5000


def test_memory_of_a_training_is_a_process_of_its_own(monkeypatch):
    # as where sbi is not installed
    monkeypatch.setattr(scaling.importlib.util, "find_spec", lambda name: None)
    row, = scaling.memory(quick=True)
    assert "ratio" not in row and 20 < row["ours [MB]"] < 500


def test_what_cannot_be_measured_says_why(tmp_path, capsys, monkeypatch):
    with pytest.raises(SystemExit):
        main(["run", "maf", "--device", "cuda"])
    assert ("expected benchmarks for --device cuda, got ['maf'] (choose from catalogue, "
            in capsys.readouterr().err)
    monkeypatch.setitem(sys.modules, "experiments.bench.maf", None)
    assert main(["measure", "maf", "--out", str(tmp_path)]) == 1
    assert "make bench installs what is measured against" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
