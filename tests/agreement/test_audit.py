"""The audit measures what the agreement tests judge, writes all of it, and says so when something fails."""
import json

import numpy as np
import pytest

from tests.agreement import audit
from tests.agreement.backends import REFERENCE, accel_backends
from tests.agreement.registry import Case

NUMPY = [backend for name, backend in accel_backends().items() if name.startswith("numpy")]
BOTH = ("float64", "float32")


def off_by(relative, name="page.loss_and_grad", dtypes=BOTH):
    """A case whose gradient in accel is off by so much, at size 4 alone; its values agree."""
    def run(on, paint, n):
        wrong = 0 if on.package is REFERENCE.package or n != 4 else relative
        return on.put(np.ones(n)), {"weights": on.put(np.array([1.0 + wrong, 2.0, -4.0]))}
    return Case(name, run, (2, 4), lambda n: 1, dtypes, "")


def raises(on, paint, n):
    if on.package is REFERENCE.package:
        return on.put(np.ones(n))
    raise RuntimeError("no such kernel")


def test_rows_tell_value_from_gradient_and_where():
    found = audit.row("page.loss_and_grad", [off_by(2.0**-50)], NUMPY[0])
    assert (found["function"], found["backend"], found["dtype"]) == ("page.loss_and_grad", "numpy", "float64")
    assert found["value"] == 0 and found["gradient"] == 2.0**-52 and found["gradient_size"] == 4, (
        "relative to the largest, 4")
    assert found["gradient_of_allowed"] == 1 / 32 and found["failures"] == []


def test_the_worst_of_several_cases_counts():
    found = audit.row("page.loss_and_grad",
                      [off_by(2.0**-50), off_by(2.0**-49, "page.loss_and_grad#2"), off_by(0)], NUMPY[0])
    assert found["gradient"] == 2.0**-51


@pytest.mark.parametrize("wrong", [off_by(1e-3), Case("page.f", raises, (1, 3), lambda n: n, BOTH, "")])
def test_a_failure_is_recorded_and_the_audit_goes_on(wrong):
    rows = audit.audit([wrong, off_by(0, "page.other")], NUMPY)
    assert [row["function"] for row in rows if row["failures"]] == [wrong.function] * 2
    assert {row["function"] for row in rows} == {wrong.function, "page.other"}


def test_worst_first_and_a_dtype_that_a_case_leaves_out():
    rows = audit.audit([off_by(0, "page.a"), off_by(2.0**-49, "page.b"),
                        off_by(2.0**-50, "page.c", ("float64",))], NUMPY)
    assert [row["function"] for row in rows if row["dtype"] == "float64"] == ["page.b", "page.c", "page.a"]
    assert [row["function"] for row in rows if row["dtype"] == "float32"] == ["page.a", "page.b"]


@pytest.mark.parametrize(("cases", "code"), [([off_by(0)], 0), ([off_by(1e-3)], 1)])
def test_the_command_writes_both_files_and_tells_by_its_code(tmp_path, monkeypatch, capsys, cases, code):
    monkeypatch.setattr(audit, "all_cases", lambda: {case.name: case for case in cases})
    monkeypatch.setattr(audit, "public_functions", lambda package: {"page.loss_and_grad": None})
    monkeypatch.setattr(audit, "accel_backends", lambda: dict(enumerate(NUMPY)))
    assert audit.main(["--out", str(tmp_path / "deep")]) == code
    record = json.loads((tmp_path / "deep" / "audit.json").read_text("utf-8"))
    assert (record["functions"], record["covered"], len(record["rows"])) == (1, 1, 2)
    assert set(record["versions"]) == set(audit.PACKAGES)
    page = (tmp_path / "deep" / "audit.md").read_text("utf-8")
    assert "1 of 1 public functions" in page and page.count("| page.loss_and_grad | numpy |") == 2
    assert "audit" in capsys.readouterr().err


def test_a_function_that_nobody_compares_fails_the_audit(tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "all_cases", lambda: {"page.loss_and_grad": off_by(0)})
    monkeypatch.setattr(audit, "public_functions",
                        lambda package: {"page.loss_and_grad": None, "page.forgotten": None})
    monkeypatch.setattr(audit, "accel_backends", lambda: dict(enumerate(NUMPY)))
    assert audit.main(["--out", str(tmp_path)]) == 1
