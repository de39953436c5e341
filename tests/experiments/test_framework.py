"""What an experiment is given and what is kept of it: settings, records, verdicts, reproducibility."""
import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest

import accel
import experiments
import reference
from experiments import bench
from experiments.bench import gpu  # noqa: F401  (bench.gpu)
from experiments.harness import figures, framework
from experiments.harness.framework import Metric

HERE = {"where": "cpu"}


def run(toy, folder, **words):
    settings = framework.settings(**HERE, out=folder, **words)
    return framework.execute(toy, settings), json.loads((folder / "toy.json").read_text("utf-8"))


def test_backend_is_one_switch():
    assert experiments.backend("reference") is reference and experiments.backend("accel") is accel
    with pytest.raises(ValueError, match="backend: expected one of reference, accel, got 'gpu'"):
        experiments.backend("gpu")


@pytest.mark.parametrize("words",
                         [{"backend": "fast"}, {"backend": "reference", "where": "cuda"},
                          {"dtype": "float16"}, {"where": "tpu"},
                          {"backend": "reference", "dtype": "float32"}])
def test_settings_refuse_what_they_do_not_know(words):
    with pytest.raises(ValueError, match="expected|by definition"):
        framework.settings(**words)


def test_the_reference_computes_in_float64_and_accel_in_float32_unless_told():
    chosen = [framework.settings(**HERE, **words).dtype
              for words in ({"backend": "reference"}, {}, {"dtype": "float64"})]
    assert chosen == ["float64", "float32", "float64"]


def test_settings_deliver_the_same_numbers_to_either_package_in_its_dtype():
    true, fast = (framework.settings(**HERE, backend=name, seed=3) for name in experiments.BACKENDS)
    drawn, delivered = true.rng(1).standard_normal(50), fast.rng(1).standard_normal(50)
    assert (drawn.dtype, delivered.dtype) == (np.float64, np.float32)
    assert np.array_equal(drawn.astype(np.float32), delivered)
    assert np.array_equal(drawn, np.random.default_rng([3, 1]).standard_normal(50))
    assert not np.array_equal(drawn, true.rng(2).standard_normal(50))
    assert fast.put({"a": np.ones(3)})["a"].dtype == np.float32


def test_a_record_holds_what_is_needed_to_judge_and_to_repeat(toy, tmp_path):
    record, written = run(toy, tmp_path / "out", seed=5, quick=True)
    assert written == record
    assert (written["name"], written["title"]) == ("toy", "A toy: the slope of a line through noise")
    assert {key: written[key] for key in framework.SETTINGS} == {
        "backend": "accel", "device": "cpu", "dtype": "float32", "seed": 5, "quick": True, "data": False}
    assert {"python", "numpy", "scipy", "autograd", "matplotlib", "diptych"} <= set(written["versions"])
    assert written["commit"] is None or re.fullmatch(r"[0-9a-f]{12}\+?", written["commit"])
    assert all(entry["threads"] == 1 and entry["kernel"] for entry in written["blas"])
    assert written["seconds"] >= 0 and set(written["machine"]) >= {"system", "processor", "cores"}
    assert written["metrics"]["count"] == {"value": 40.0, "target": None, "at": "report"}
    assert written["metrics"]["impossible"] == {"value": 0.5, "target": 0.9, "at": "least",
                                                "note": "a <note>"}
    assert (written["metrics"]["undefined"]["value"], written["metrics"]["infinite"]["value"]) == ("nan",
                                                                                                   "inf")
    assert (tmp_path / "out" / "toy.png").read_bytes().startswith(b"\x89PNG")


def test_a_record_names_no_folder_and_no_user(toy, tmp_path):
    _, written = run(toy, tmp_path / "out", data=tmp_path)
    assert str(tmp_path) not in json.dumps(written) and written["data"] is True


def test_the_same_seed_gives_the_same_metrics_and_figure_and_another_seed_others(toy, tmp_path):
    folders = [tmp_path / str(i) for i in range(3)]
    records = [run(toy, folder, seed=seed)[1]["metrics"]
               for folder, seed in zip(folders, (7, 7, 8), strict=True)]
    pictures = [(folder / "toy.png").read_bytes() for folder in folders]
    assert records[0] == records[1] and pictures[0] == pictures[1]
    assert records[0] != records[2] and pictures[0] != pictures[2]


def test_both_packages_give_the_same_metrics_to_rounding(toy, tmp_path):
    slopes = [run(toy, tmp_path / name, backend=name)[1]["metrics"]["slope"]["value"]
              for name in experiments.BACKENDS]
    assert slopes[0] != slopes[1] and abs(slopes[0] - slopes[1]) < 1e-6


def test_reading_gives_metrics_back_and_nothing_for_other_files(toy, tmp_path):
    run(toy, tmp_path)
    metrics = framework.read(tmp_path / "toy.json")["metrics"]
    assert metrics["impossible"] == Metric(0.5, 0.9, "least", "a <note>")
    assert np.isnan(metrics["undefined"].value)
    for text in ("", "[]", "{}", '{"metrics": {"a": 1}}', '{"metrics": {}}'):
        (tmp_path / "other.json").write_text(text)
        assert framework.read(tmp_path / "other.json") is None
    assert framework.read(tmp_path / "missing.json") is None


@pytest.mark.parametrize(
    ("metric", "quick", "expected"),
    [(Metric(1.0, 1.0, "most"), False, "met"), (Metric(1.1, 1.0, "most"), False, "missed"),
     (Metric(1.0, 1.0, "least"), False, "met"), (Metric(0.9, 1.0, "least"), False, "missed"),
     (Metric(float("nan"), 1.0, "most"), False, "missed"),
     (Metric(float("nan"), 1.0, "least"), False, "missed"), (Metric(3.0), False, "report"),
     (Metric(1.1, 1.0, "most"), True, "report")])
def test_verdicts(metric, quick, expected):
    assert framework.verdict(metric, quick) == expected


@pytest.mark.parametrize("metric", [Metric(1.0, None, "most"), Metric(1.0, 2.0), Metric(1.0, 2.0, "below")])
def test_a_metric_without_a_clear_demand_is_refused(metric, toy, tmp_path, monkeypatch):
    import experiments.toy as module
    monkeypatch.setattr(module, "run", lambda settings: framework.Outcome(figures.new(), {"a": metric}))
    with pytest.raises(ValueError, match="metric: expected a target"):
        run(toy, tmp_path)
    assert "metric: expected" in framework.read(tmp_path / "toy.json")["error"]


def test_a_failure_is_recorded_and_handed_on(toy, tmp_path):
    run(toy, tmp_path)
    (tmp_path / "refuse").touch()
    with pytest.raises(ValueError, match="expected <numbers>"):
        run(toy, tmp_path, data=tmp_path)
    settings = framework.settings(**HERE, out=tmp_path, data=tmp_path)
    record = framework.read(tmp_path / "toy.json")
    assert record["error"] == "ValueError: x: expected <numbers>, got <words>"
    assert not framework.same_settings(record, settings)


def test_checkpoints_outlive_an_interruption_and_not_a_finished_run(toy, tmp_path, monkeypatch):
    import experiments.toy as module
    settings, seen = framework.settings(**HERE, out=tmp_path), []

    def interrupted(settings):
        path = settings.checkpoint("state")
        seen.append(path.exists())
        path.touch()
        raise KeyboardInterrupt

    finished = module.run
    monkeypatch.setattr(module, "run", interrupted)
    for resume in (False, True, False):
        with pytest.raises(KeyboardInterrupt):
            framework.execute(toy, settings, resume=resume)
    assert seen == [False, True, False] and not (tmp_path / "toy.json").exists()
    monkeypatch.setattr(module, "run", finished)
    framework.execute(toy, settings, resume=True)
    assert not list(tmp_path.rglob("state*")) and (tmp_path / "toy.json").exists()


@pytest.mark.parametrize(("value", "expected"),
                         [(40.0, "40"), (12345678.0, "12,345,678"), (0.53123, "0.5312"), (0.0, "0"),
                          (1e15, "1e+15"), (float("nan"), "nan"), (float("inf"), "inf"),
                          (3.2e-16, "3.2e-16")])
def test_numbers_are_printed_short(value, expected):
    assert framework.shown(value) == expected


@pytest.mark.parametrize("package", [experiments, bench, bench.gpu], ids=lambda package: package.__name__)
def test_every_module_of_experiments_is_one(package):
    for name in framework.titles(package):
        tree = ast.parse((Path(package.__path__[0]) / f"{name}.py").read_text("utf-8"))
        assert any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body), name
