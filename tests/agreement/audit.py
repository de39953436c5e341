"""How far apart the packages are: every case on every backend at every size, as a table.

    python -m tests.agreement.audit [--out DIR]

writes DIR/audit.json and DIR/audit.md (by default in experiments/results). A row is one public function on
one backend in one dtype: the worst disagreement of its values and of its gradients over all its cases, sizes
and leaves, each relative to the largest magnitude of the leaf and as a share of what the agreement tests
allow. The exit code is 1 if any case fails.
"""
import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path

import accel
import reference
from accel.runtime import blas
from tests.agreement.backends import accel_backends
from tests.agreement.harness import is_gradient, measure
from tests.agreement.public import public_functions
from tests.agreement.registry import all_cases

__all__ = ["audit", "row", "markdown"]

RECORDS = Path(__file__).resolve().parents[2] / "experiments" / "results"
PACKAGES = ("numpy", "scipy", "autograd")


def audit(cases, backends, progress=iter):
    """The rows for every function of the cases on every backend, worst first, and what failed."""
    functions = sorted({case.function for case in cases})
    jobs = [(function, backend) for function in functions for backend in backends]
    rows = []
    for function, backend in progress(jobs):
        ours = [case for case in cases if case.function == function and case.runs_on(backend)]
        if ours:
            rows.append(row(function, ours, backend))
    return sorted(rows, key=lambda row: -max(row["value_of_allowed"] or 0, row["gradient_of_allowed"] or 0))


def row(function, cases, backend):
    """The worst of one function's cases on one backend; "failures" says what differs by more than is allowed,
    or how."""
    place, _, _ = backend.name.rpartition("-")
    found = {"function": function, "backend": place, "dtype": backend.dtype}
    for kind in ("value", "gradient"):
        found.update({kind: None, f"{kind}_of_allowed": None, f"{kind}_size": None})
    found["failures"] = []
    for case in cases:
        for n in case.sizes:
            try:
                gaps = measure(case, backend, n)
            except Exception as error:                         # the audit goes on, whatever a case does
                found["failures"].append(f"{case.name}, n={n}: {type(error).__name__}: {error}")
                continue
            for path, gap in gaps.items():
                kind = "gradient" if is_gradient(case, path) else "value"
                if found[kind] is None or gap.relative > found[kind]:
                    found.update({kind: gap.relative, f"{kind}_size": n})
                found[f"{kind}_of_allowed"] = max(gap.share, found[f"{kind}_of_allowed"] or 0.0)
                if gap.share > 1:
                    found["failures"].append(
                        f"{case.name}, n={n}, {path or 'result'}: {gap.share:.3g} times what is allowed")
    return found


def markdown(rows, n_functions, versions):
    """The rows as a page, float64 before float32."""
    failures = [f"- {row['function']} on {row['backend']} in {row['dtype']}: {text}" for row in rows
                for text in row["failures"]]
    lines = [
        "# How far accel is from the reference", "",
        f"{len({row['function'] for row in rows})} of {n_functions} public functions compared, on "
        f"{', '.join(sorted({row['backend'] for row in rows}))}; {len(failures)} failures. "
        f"{', '.join(f'{name} {number}' for name, number in versions.items())}.", "",
        "Disagreement is relative to the largest magnitude of the leaf; the last column is its worst share "
        "of what the tests allow. A dash stands where nothing is compared to rounding: such results are "
        "equal.", "", *failures]
    for dtype in ("float64", "float32"):
        lines += ["", f"## {dtype}", "", "| function | on | value | at n | gradient | at n | of allowed |",
                  "|---|---|---|---|---|---|---|"]
        for row in rows:
            if row["dtype"] == dtype:
                share = max(row["value_of_allowed"] or 0, row["gradient_of_allowed"] or 0)
                lines.append(f"| {row['function']} | {row['backend']} | {_shown(row['value'])} | "
                             f"{row['value_size'] or '–'} | {_shown(row['gradient'])} | "
                             f"{row['gradient_size'] or '–'} | {share:.1%} |")
    return "\n".join(lines) + "\n"


def _shown(number):
    return "–" if number is None else "0" if number == 0 else f"{number:.1e}"


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.agreement.audit",
                                     description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=RECORDS,
                        help="folder for audit.json and audit.md (default: experiments/results)")
    out = parser.parse_args(arguments).out
    from tqdm import tqdm
    with blas.single_thread():
        rows = audit(list(all_cases().values()), list(accel_backends().values()),
                     lambda jobs: tqdm(jobs, desc="audit", file=sys.stderr))
    functions = public_functions(reference).keys() | public_functions(accel).keys()
    versions = {name: version(name) for name in PACKAGES}
    out.mkdir(parents=True, exist_ok=True)
    covered = {row["function"] for row in rows} & functions
    record = {"versions": versions, "functions": len(functions), "covered": len(covered), "rows": rows}
    (out / "audit.json").write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    (out / "audit.md").write_text(markdown(rows, len(functions), versions), "utf-8")
    failures = [f"{row['backend']} {row['dtype']} {text}" for row in rows for text in row["failures"]]
    print(*failures, f"{len(covered)} of {len(functions)} functions compared, {len(failures)} failures: "
          f"{out / 'audit.md'}", sep="\n")
    return 1 if failures or len(covered) < len(functions) else 0


if __name__ == "__main__":
    sys.exit(main())
