"""The tables in the README, written between their markers by `python -m experiments.readme`.

One has a row for each module, with the worst disagreement of its twins as `make audit` measured it, and how many times faster
accel is in float32 on one core than the reference, as the benchmark `pages` did; the other a row for each metric that has a
target, as the records of the last full run hold it.
"""
import ast
import json
import re
from pathlib import Path

from experiments import framework

__all__ = ["PARTS", "BEGIN", "END", "table", "results", "filled"]

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "experiments" / "results"
AUDIT, PAGES = RECORDS / "audit.json", RECORDS / "bench" / "pages-cpu.json"
PARTS = ("representation", "density", "generative", "inference", "validation", "simulators", "priors", "nets", "training",
         "preprocessing", "numerics", "runtime")
BEGIN, END = "<!-- {name}: written by python -m experiments.readme -->", "<!-- end of {name} -->"


def table(root=ROOT, audit=AUDIT, speed=PAGES):
    """The table as Markdown; a module that was not measured has a dash."""
    rows, timed = (json.loads(path.read_text("utf-8"))["rows"] if path.is_file() else [] for path in (audit, speed))
    pages = [page for page in (root / "reference").rglob("*.py") if not page.name.startswith("_")]
    lines = ["| algorithm | reference | accel | source | worst disagreement | speed-up |", "|---|---|---|---|---|---|"]
    for page in sorted(pages, key=lambda page: (_part(page, root), page.as_posix())):
        path = page.relative_to(root / "reference").as_posix()
        name, source = _title_and_source(page)
        module = path.removesuffix(".py").replace("/", ".")
        faster = next((f"× {row['reference / accel float32']:.2g}" for row in timed if row["page"] == module), "–")
        lines.append(f"| {name} | [{page.name}](reference/{path}) | [{page.name}](accel/{path}) | {source} | {_worst(rows, module)} "
                     f"| {faster} |")
    return "\n".join(lines)


def results(folder=RECORDS):
    """Every metric with a target, from the records of the last full run, as Markdown."""
    lines = ["| experiment | metric | value | target | |", "|---|---|---|---|---|"]
    for record in filter(None, map(framework.read, sorted(folder.glob("*.json")))):
        for key, metric in record["metrics"].items():
            mark = framework.MARKS[framework.verdict(metric, record["quick"])]
            if metric.target is not None:
                lines.append(f"| {record['name']} | {_cell(key)} | {framework.shown(metric.value)} "
                             f"| {framework.FORMS[metric.at]} {metric.target:g} | {mark} |")
    return "\n".join(lines)


def filled(text):
    """The README with the tables between their markers."""
    for name, content in (("modules", table()), ("results", results())):
        begin, end = BEGIN.format(name=name), END.format(name=name)
        before, found, rest = text.partition(begin)
        if not found or end not in rest:
            raise ValueError(f"README.md: expected the markers {begin} and {end}")
        text = before + begin + "\n" + content + "\n" + end + rest.partition(end)[2]
    return text


def _cell(words):
    return words.replace("|", "\\|")


def _part(page, root):
    part = page.relative_to(root / "reference").parts[0]
    return PARTS.index(part) if part in PARTS else len(PARTS)


def _title_and_source(page):
    """What the docstring says that the page is, and the first work that it names: its authors and year, or its words."""
    words = ast.get_docstring(ast.parse(page.read_text("utf-8"))) or page.stem
    section = re.search(r"^Source +(.*(?:\n +.*)*)", words, re.MULTILINE)
    first = " ".join(section[1].split()).partition(";")[0] if section else ""
    work = re.search(r"[”\"], ([^\"]*?\b(?:1[89]|20)\d\d)\b", first)
    title, source = re.split(r"[:.]", words, maxsplit=1)[0], work[1] if work else first.rstrip(".")
    return _cell(title), _cell(source)


def _worst(rows, module):
    """The worst relative disagreement over a module's functions, accel on NumPy in float64: of values and of gradients."""
    ours = [row for row in rows if row["function"].startswith(module + ".") and (row["backend"], row["dtype"]) == ("numpy", "float64")]
    found = {kind: [row[kind] for row in ours if row.get(kind) is not None] for kind in ("value", "gradient")}
    return ", ".join(f"{kind} {max(values) and f'{max(values):.0e}'}" for kind, values in found.items() if values) or "–"


def main():
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text("utf-8")), "utf-8")
    print(f"README.md: {table().count(chr(10)) - 1} modules")


if __name__ == "__main__":
    main()
