"""The project as a whole: what an import costs, what must not be in the repository, and that its version is
one."""
import os
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import accel
import reference

ROOT = Path(__file__).resolve().parents[1]
LATE = ("matplotlib", "cupy", "sklearn", "scipy.stats", "tqdm", "threadpoolctl")


def tracked():
    """The text of every file in git, {path: text}; those that lie there where there is no git."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("the source is not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return {path.relative_to(ROOT).as_posix(): path.read_bytes().decode("utf-8", "replace")
            for path in files if path.is_file()}


def python(*words, **environment):
    return subprocess.run([sys.executable, *words], cwd=ROOT, env=os.environ | environment,
                          capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("package", ["reference", "accel"])
def test_an_import_brings_only_what_it_needs(package, record_property, capsys):
    code = (f"import sys, time; t = time.perf_counter(); import {package}; print(time.perf_counter() - t, "
            "*sys.modules)")
    runs = [python("-c", code).stdout.split() for _ in range(3)]
    seconds = statistics.median(float(run[0]) for run in runs)
    record_property("seconds", seconds)
    with capsys.disabled():
        print(f"\nimport {package}: {seconds:.2f} s (median of {len(runs)})")
    assert not set(LATE) & set(runs[0][1:])


def test_neither_package_brings_the_other():
    for package, other in (("reference", "accel"), ("accel", "reference")):
        assert (python("-c", f"import sys, {package}; print('{other}' in sys.modules)").stdout.strip()
                == "False"), package


def test_the_version_is_the_same_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)[1]
    changes = re.search(r"^## \[(?!Unreleased)([^]]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"),
                        re.MULTILINE)
    assert {reference.__version__, accel.__version__, cited, changes[1] if changes else version} == {version}


def test_constraints_pin_by_name_and_version_alone():
    lines = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
             if not line.startswith("#")]
    assert lines and all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*( *; *python_version .*)?", line)
                         for line in lines)


def test_every_dependency_of_core_experiments_and_tests_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    core, more = ({re.match(r"[A-Za-z0-9-]+", need)[0] for need in needs}
                  for needs in (project["dependencies"], extras["test"] + extras["experiments"]))
    assert core == {"numpy", "scipy", "autograd"}
    pinned = re.findall(r"^([A-Za-z0-9-]+)==", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    assert not (core | more) - {"diptych"} - set(pinned)


def test_no_file_names_a_machine_or_a_registry():
    home = r"/(?:home|root|Users|work|tmp|opt)/"
    registry = r"pypi\.org|pythonhosted|anaconda\.org|index-url|find-links|find_links"
    for path, text in tracked().items():
        if path != "tests/test_project.py":
            found = re.search(rf"(?<![\w.]){home}|{registry}", text)
            assert not found, f"{path}: {found[0]}"


def test_nothing_is_pickled():
    for path, text in tracked().items():
        if path.endswith(".py") and not path.startswith("tests/"):
            code = "\n".join(line.split("#")[0] for line in text.splitlines())
            used = (r"\b(?:import|from) (?:c?pickle|dill|shelve|marshal)\b|allow_pickle\s*=\s*True"
                    r"|joblib\.(?:dump|load)")
            assert not re.search(used, code), path
        assert not path.endswith((".pkl", ".pickle", ".joblib")), path


def test_what_is_made_is_not_in_the_repository():
    made = re.compile(
        r"(^|/)(\.venv|__pycache__|\.\w+_cache|\.hypothesis|[^/]*\.egg-info|build|dist)/|^results/|\.part$")
    assert not [path for path in tracked() if made.search(path)]


@pytest.mark.parametrize(
    ("chosen", "code", "said"),
    [(("tests/agreement/test_agreement.py", "--page", "representation.pca", "-k", "cuda"), 0,
      r"✓ [1-9]\d* agreement cases passed on the device"),
     (("tests/runtime/test_progress.py",), 1, "✗ 0 agreement cases passed on the device")],
    ids=["some", "none"])
def test_a_gpu_run_fails_if_no_case_ran_on_a_device(chosen, code, said, tmp_path):
    (tmp_path / "as_a_device.py").write_text(
        "from tests import strict_cupy\ncupy = strict_cupy.install()\n"
        "cupy.__version__, cupy.cuda.is_available = 'a stand-in', lambda: True\n")
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "as_a_device", *chosen,
                  DIPTYCH_TEST_CUDA="1", PYTHONPATH=os.pathsep.join((str(tmp_path), str(ROOT))))
    assert done.returncode == code and re.search(said, done.stdout), done.stdout + done.stderr
