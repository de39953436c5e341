"""python -m experiments: what it prints, what it refuses, and what it leaves behind."""
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.harness import framework
from experiments.__main__ import main

# Experiments whose own tests run them
TRIED_ELSEWHERE = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")
                   if "quick_run" in path.read_text("utf-8")} - {"cli"}


def refused(capsys, words):
    with pytest.raises(SystemExit) as raised:
        main(words)
    out, err = capsys.readouterr()
    assert raised.value.code == 2 and not out and err.endswith("\n") and err.count("\n") == 1, err
    return err


def test_list_names_every_experiment_with_its_title(toy, capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(framework.titles())
    assert [toy, "A toy: the slope of a line through noise"] in [line.split(None, 1) for line in lines]


@pytest.mark.parametrize("words",
                         ["", "walk", "run", "run unheard_of", "run toy --sede 1", "run toy --backend gpu",
                          "run toy --device tpu", "run toy --seed -1", "run toy --seed 1.5",
                          "run toy --dtype float16", "run toy --jobs 0", "run toy --jobs two",
                          "list --seed 1", "run toy --backend reference --device cuda",
                          "report --out no-such-folder"])
def test_bad_words_get_one_line_and_exit_code_2(words, toy, capsys):
    refused(capsys, words.split())


@pytest.mark.parametrize(("words", "named"),
                         [("", "list run report"), ("walk", "walk list run report"), ("run", "toy all"),
                          ("run unheard_of", "unheard_of toy all"),
                          ("run toy --sede 1", "--sede --seed --quick"),
                          ("run toy --backend gpu", "gpu reference accel")])
def test_the_line_names_what_was_given_and_the_choices(words, named, toy, capsys):
    error = refused(capsys, words.split())
    assert all(name in error for name in named.split()), error


def test_run_prints_each_metric_with_its_verdict(toy, tmp_path, capsys):
    assert main(["run", toy, "--device", "cpu", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "✗ impossible = 0.5 (target ≥ 0.9)" in out
    assert "· count = 40\n" in out and "✗ undefined = nan (target ≤ 1)" in out
    assert f"{tmp_path}/toy.png" in out
    assert main(["run", toy, "--device", "cpu", "--quick", "--out", str(tmp_path)]) == 0
    assert "✗" not in capsys.readouterr().out


def test_run_goes_on_after_a_failure_and_names_it_at_the_end(toy, tmp_path, capsys, monkeypatch):
    (tmp_path / "toy" / "another.py").write_text(
        '"""Fails"""\ndef run(settings):\n    raise RuntimeError("on purpose")\n')
    assert main(["run", "another", toy, "--device", "cpu", "--out", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.splitlines()[-1] == "experiments: failed: another" and "on purpose" in err
    assert "error" in framework.read(tmp_path / "another.json")
    assert "error" not in framework.read(tmp_path / "toy.json")


def test_all_runs_every_experiment(toy, tmp_path, monkeypatch):
    known, ran = framework.titles(), []
    monkeypatch.setattr(framework, "execute",
                        lambda name, settings, resume: ran.append(name) or {"quick": False, "seconds": 0.0})
    monkeypatch.setattr(framework, "read", lambda path: {"metrics": {}})
    assert main(["run", "all", "--device", "cpu", "--out", str(tmp_path)]) == 0 and ran == list(known)


def test_side_by_side_each_runs_in_a_process_with_the_same_flags(toy, tmp_path, capsys, monkeypatch):
    (tmp_path / "toy" / "another.py").write_text('"""Fails"""\ndef run(settings):\n    raise RuntimeError\n')
    ran, titles = [], framework.titles()

    class Finished:
        def __init__(self, command, **_):
            ran.append(command[command.index("run") + 1:])
            self.name, self.returncode = command[command.index("run") + 1], int("another" in command)

        def communicate(self):
            return f"computing on the CPU\n[1/1] {self.name}: {titles[self.name]}\n  ✓ said\n", None
    monkeypatch.setattr("experiments.__main__.subprocess.Popen", Finished)
    assert main(["run", toy, "another", "--jobs", "2", "--seed", "3", "--device", "cpu", "--quick", "--out",
                 str(tmp_path)]) == 1
    flags = ["--backend", "accel", "--seed", "3", "--out", str(tmp_path), "--device", "cpu", "--quick"]
    assert sorted(ran) == [["another", *flags], [toy, *flags]]
    out, err = capsys.readouterr()
    assert "[1/2]" in out and "[2/2]" in out and out.count("✓ said") == 2
    assert "[1/1]" not in out and "computing" not in out
    assert err.splitlines()[-1] == "experiments: failed: another"


def heed_interrupts():
    """A process that was started in the background may ignore them, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interruption_ends_what_runs_side_by_side(tmp_path):
    command = [sys.executable, "-m", "experiments", "run", "npe_benchmark", "npe_global_signal", "--jobs",
               "2", "--device", "cpu"]
    run = subprocess.Popen([*command, "--out", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, preexec_fn=heed_interrupts)
    assert "2 experiments, 2 side by side" in run.stdout.readline()
    while len(list((tmp_path / ".unfinished").glob("*"))) < 2:            # both have begun
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)  # to this process alone, as a scheduler does
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130 and "interrupted; finished before it: nothing. Go on with --resume." in err
    assert not list(tmp_path.glob("*.json"))


def test_resume_skips_a_finished_run_with_the_same_settings_alone(toy, tmp_path, capsys):
    words = ["run", toy, "--device", "cpu", "--out", str(tmp_path)]
    main(words)
    capsys.readouterr()
    main([*words, "--resume"])
    assert "skipped" in capsys.readouterr().out
    for other in (["--seed", "1"], ["--quick"], ["--backend", "reference"], ["--dtype", "float64"]):
        main([*words, *other, "--resume"])
        assert "skipped" not in capsys.readouterr().out, other


def test_an_interruption_keeps_what_is_finished(toy, tmp_path, capsys):
    (tmp_path / "toy" / "zebra.py").write_text(
        '"""Is stopped"""\ndef run(settings):\n    raise KeyboardInterrupt\n')
    assert main(["run", toy, "zebra", "--device", "cpu", "--out", str(tmp_path)]) == 130
    assert "interrupted in zebra; finished before it: toy. Go on with --resume." in capsys.readouterr().err
    assert framework.read(tmp_path / "toy.json") and not (tmp_path / "zebra.json").exists()


def test_report_prints_the_page_and_what_misses(toy, tmp_path, capsys):
    main(["run", toy, "--device", "cpu", "--out", str(tmp_path)])
    capsys.readouterr()
    assert main(["report", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["✗ toy: impossible = 0.5 (target ≥ 0.9)", "✗ toy: undefined = nan (target ≤ 1)",
                     f"2 missed: {tmp_path}/report.html"]


def test_the_module_runs_as_a_program_and_lists_without_matplotlib():
    code = ("import sys; from experiments.__main__ import main; main(['list']); print('matplotlib' in "
            "sys.modules, 'sklearn' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "False False", done.stderr
    done = subprocess.run([sys.executable, "-m", "experiments", "run", "nothing"], capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.startswith("experiments: no experiment is named nothing")


@pytest.mark.parametrize("name", sorted(framework.titles().keys() - TRIED_ELSEWHERE))
def test_an_experiment_runs_when_quick(name, tmp_path):
    record = framework.execute(name, framework.settings(where="cpu", quick=True, out=tmp_path))
    assert record["metrics"] and record["text"] and (tmp_path / f"{name}.png").stat().st_size > 5000


def test_the_reference_runs_without_accel(tmp_path):
    code = (
        "import sys; from experiments.__main__ import main\n"
        f"main(['run', 'abc_power_law', '--backend', 'reference', '--quick', '--out', {str(tmp_path)!r}])\n"
        "print('accel' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "False", done.stdout + done.stderr
