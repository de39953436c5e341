"""The tables in the README, written between their markers by `python -m experiments.harness.readme`.

    algorithms, pieces   a row for each page: its source, the worst disagreement of its twins as `make audit`
                         measured it, and how many times faster than the reference accel is in float32 on one
                         core, as the benchmark `pages` measured it
    results              a row for each metric with a target, from the records of the last full run
"""
import ast
import json
import re
from pathlib import Path

from experiments.harness import framework

__all__ = ["ALGORITHMS", "PIECES", "BEGIN", "END", "algorithms", "pieces", "table", "results", "filled"]

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "experiments" / "results"
AUDIT, PAGES = RECORDS / "audit.json", RECORDS / "bench" / "pages-cpu.json"
ALGORITHMS = ("representation", "density", "generative", "inference", "validation", "simulators")
PIECES = ("priors", "nets", "training", "preprocessing", "numerics", "runtime")
BEGIN, END = "<!-- {name}: written by python -m experiments.harness.readme -->", "<!-- end of {name} -->"


def algorithms(root=ROOT):
    """The pages of the algorithms, reading room by room: those with numbered formulas."""
    return [page for page in _pages(ALGORITHMS, root) if _has_formulas(page)]


def pieces(root=ROOT):
    """All other pages: the pieces, and what stands beside the algorithms."""
    return _pages(PIECES, root) + [page for page in _pages(ALGORITHMS, root) if not _has_formulas(page)]


def table(pages, root=ROOT, audit=AUDIT, speed=PAGES):
    """Pages as Markdown; a dash if there is no source, or no measurement."""
    rows, timed = (json.loads(path.read_text("utf-8"))["rows"] if path.is_file() else []
                   for path in (audit, speed))
    lines = ["| page | reference | accel | source | worst disagreement | speed-up |",
             "|---|---|---|---|---|---|"]
    for page in pages:
        path = page.relative_to(root / "reference").as_posix()
        module = path.removesuffix(".py").replace("/", ".")
        name, source = _title_and_source(page)
        faster = next((f"× {row['reference / accel float32']:.2g}" for row in timed if row["page"] == module),
                      "–")
        links = [f"[{page.name}]({package}/{path})" for package in ("reference", "accel")]
        lines.append(f"| {' | '.join([name, *links, source or '–', _worst(rows, module), faster])} |")
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
    for name, content in (("algorithms", table(algorithms())), ("pieces", table(pieces())),
                          ("results", results())):
        begin, end = BEGIN.format(name=name), END.format(name=name)
        before, found, rest = text.partition(begin)
        if not found or end not in rest:
            raise ValueError(f"README.md: expected the markers {begin} and {end}")
        text = before + begin + "\n" + content + "\n" + end + rest.partition(end)[2]
    return text


def _pages(rooms, root):
    return [page for room in rooms for page in sorted((root / "reference" / room).glob("[!_]*.py"))]


def _docstring(page):
    return ast.get_docstring(ast.parse(page.read_text("utf-8"))) or page.stem


def _has_formulas(page):
    return re.search(r"^ *\(1\) ", _docstring(page), re.MULTILINE) is not None


def _cell(words):
    return words.replace("|", "\\|")


def _title_and_source(page):
    """The title of a page, and the first work that its docstring names as a source: authors and year, else
    the lecture, else ""."""
    words = _docstring(page)
    section = re.search(r"^Source +(.*(?:\n +.*)*)", words, re.MULTILINE)
    work = (re.search(r"[”\"], ([^;\"]*?\b(?:1[89]|20)\d\d)\b", " ".join(section[1].split())) if section
            else None)
    lecture = re.search(r"\blectures? (S\d(?: and S\d)?)", " ".join(section[1].split())) if section else None
    title = " ".join(re.split(r"[:.](?:\s|$)", words, maxsplit=1)[0].split())
    return _cell(title), _cell(work[1] if work else lecture[0] if lecture else "")


def _worst(rows, module):
    """The worst relative disagreement over a module's functions, accel on NumPy in float64: of values and of
    gradients."""
    ours = [row for row in rows if row["function"].startswith(module + ".")
            and (row["backend"], row["dtype"]) == ("numpy", "float64")]
    found = {kind: [row[kind] for row in ours if row.get(kind) is not None] for kind in ("value", "gradient")}
    return ", ".join(f"{kind} {max(values) and f'{max(values):.0e}'}"
                     for kind, values in found.items() if values) or "–"


def main():
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text("utf-8")), "utf-8")
    print(f"README.md: {len(algorithms() + pieces())} pages")


if __name__ == "__main__":
    main()
