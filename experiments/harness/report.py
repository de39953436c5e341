"""One page of all records in a folder: it opens without a network, needs no script, and holds every figure.

Missed targets come first, then one section for each experiment: its text, its figure, its metrics with their
targets, and what is needed to run it again.
"""
import base64
import os
from html import escape
from pathlib import Path

from experiments.harness import framework

__all__ = ["write", "page", "misses"]

VERDICTS = {"met": "✓ met", "missed": "✗ missed", "report": "reported"}
SCREEN_PIXELS = 0.75  # of the page for each pixel of a figure, so that its letters are as large as the text

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --quiet: #5c5c5c; --paper: #fbfaf7; --card: #ffffff;
  --line: #dcd8cf;
  --good: #00674b; --bad: #b02a00; --badpaper: #fdeee8; --link: #00558a; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --quiet: #a9a9a9; --paper: #161616;
  --card: #202020;
  --line: #3b3b3b; --good: #4fd0a5; --bad: #ff9a73; --badpaper: #3a221a; --link: #86c5f2; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 1.5rem 1.25rem 4rem; background: var(--paper);
  color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 0 0 .25rem; }
p { max-width: 46rem; margin: .5rem 0; }
a { color: var(--link); }
.quiet { color: var(--quiet); font-size: .9rem; }
.good { color: var(--good); font-weight: 600; white-space: nowrap; }
.bad { color: var(--bad); font-weight: 600; white-space: nowrap; }
.misses { background: var(--badpaper); border-left: .3rem solid var(--bad); padding: .6rem 1rem;
  margin: 1rem 0; }
.misses ul { margin: .25rem 0; padding-left: 1.1rem; }
section { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: 1.5rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0;
  border-bottom: 1px solid var(--line); }
th { font-size: .85rem; color: var(--quiet); font-weight: 600; white-space: nowrap; }
th.number, td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.number + td, th.number + th { padding-left: .75rem; }
.figure { overflow-x: auto; background: #ffffff; border: 1px solid var(--line); border-radius: .4rem;
  margin: 1rem 0; padding: .5rem; }
.figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.narrow { display: none; }
td.wide { white-space: nowrap; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem;
  overflow-x: auto;
  font: .85rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap; }
summary { cursor: pointer; color: var(--link); padding: .35rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .9rem;
  margin: .5rem 0; }
dt { color: var(--quiet); } dd { margin: 0; }
@media (max-width: 40rem) {
  body { padding: 1rem 1rem 3rem; } .wide { display: none; } .narrow { display: block; }
  .figure img { max-width: none; width: 40rem; } th, td { padding-right: .5rem; }
  td.number + td, th.number + th { padding-left: .25rem; } dl { grid-template-columns: 1fr; } dd {
  margin-bottom: .35rem; } }
"""


def write(folder):
    """Write the page of a folder's records: (its path, the misses as lines of text).

    Raises
    ------
    FileNotFoundError
        If the folder holds no record.
    """
    folder = Path(folder)
    records = [record for path in sorted(folder.glob("*.json")) if (record := framework.read(path))]
    if not records:
        raise FileNotFoundError(
            f"no records in {folder}; make some with: python -m experiments run all --out {folder}")
    path, beside = folder / "report.html", folder / "report.html.part"
    figures = {record["name"]: folder / f"{record['name']}.png" for record in records}
    beside.write_text(page(records,
                           {name: file.read_bytes() for name, file in figures.items() if file.is_file()}),
                      "utf-8")
    os.replace(beside, path)
    return path.resolve(), [miss for record in records for miss in misses(record)]


def misses(record):
    """The missed targets of a record, a line each."""
    if "error" in record:
        return [f"{record['name']} failed: {record['error']}"]
    return [f"{record['name']}: {key} = {framework.shown(metric.value)} (target {framework.FORMS[metric.at]} "
            f"{metric.target:g})" for key, metric in record["metrics"].items()
            if framework.verdict(metric, record["quick"]) == "missed"]


def page(records, figures):
    """The HTML of records, with figures {name: bytes of a PNG}."""
    missed = [(record["name"], miss) for record in records for miss in misses(record)]
    judged = [framework.verdict(metric, record["quick"]) for record in records
              for metric in record["metrics"].values()]
    met = judged.count("met")
    head = (f"{len(records)} experiment{'s' * (len(records) != 1)}, {met} of {met + judged.count('missed')} "
            "targets met")
    if any(record["quick"] for record in records):
        head += "; quick runs carry no verdict"
    listed = "".join(f'<li><a href="#{escape(name)}">{escape(miss)}</a></li>' for name, miss in missed)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Diptych: results</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>Diptych: results</h1>
<p>{head}.</p>
{f'<div class="misses"><strong>Short of the target</strong><ul>{listed}</ul></div>' if missed else ''}
<table>
<thead><tr><th scope="col">Experiment</th><th scope="col" class="wide">Computed by</th>
<th scope="col" class="number wide">Time</th><th scope="col">Targets</th></tr></thead>
<tbody>
{''.join(map(_row, records))}</tbody>
</table>
</header>
<main>
{''.join(_section(record, figures.get(record["name"])) for record in records)}</main>
</body>
</html>
"""


def _row(record):
    verdicts = [framework.verdict(metric, record["quick"]) for metric in record["metrics"].values()]
    met, missed = verdicts.count("met"), verdicts.count("missed")
    if "error" in record:
        targets = '<span class="bad">✗ failed</span>'
    elif record["quick"]:
        targets = '<span class="quiet">quick run</span>'
    elif met + missed == 0:
        targets = '<span class="quiet">reported</span>'
    else:
        targets = (
            f'<span class="{"bad" if missed else "good"}">{"✗" if missed else "✓"} {met} of {met + missed} '
            'met</span>')
    return (f'<tr><td><a href="#{escape(record["name"])}">{escape(record["title"])}</a></td>'
            f'<td class="wide">{escape(_place(record))}</td>'
            f'<td class="number wide">{_duration(record["seconds"])}</td><td>{targets}</td></tr>\n')


def _section(record, figure):
    name, title = escape(record["name"]), escape(record["title"])
    words = "".join(f"<p>{escape(paragraph)}</p>\n"
                    for paragraph in record["text"].split("\n\n") if paragraph.strip())
    image, quick = "", " · quick run" * record["quick"]
    if "error" in record:
        words = f'<p class="bad" style="white-space: normal">✗ failed: {escape(record["error"])}</p>\n'
    elif figure is not None:
        width = round(int.from_bytes(figure[16:20], "big") * SCREEN_PIXELS)     # a PNG opens with its width
        image = (
            f'<div class="figure" tabindex="0" role="group" aria-label="Figure: {title}">'
            f'<img alt="{title}" width="{width}" '
            f'src="data:image/png;base64,{base64.b64encode(figure).decode()}"></div>\n'
            '<p class="quiet narrow">The figure is wider than this screen: swipe it sideways.</p>\n')
    rows = "".join(_metric(key, metric, record["quick"]) for key, metric in record["metrics"].items())
    table = ('<table>\n<thead><tr><th scope="col">Metric</th><th scope="col" class="number">Value</th>'
             '<th scope="col" class="number">Target</th><th scope="col">Verdict</th></tr></thead>\n<tbody>\n'
             f'{rows}</tbody>\n</table>\n') if rows else ""
    facts = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>\n"
                    for key, value in _facts(record).items())
    facts_line = f'{escape(_place(record))} · seed {record["seed"]} · {_duration(record["seconds"])}'
    return f"""<section id="{name}">
<h2>{title}</h2>
<p class="quiet">{name} · {facts_line}{quick}</p>
{words}{image}{table}<details>
<summary>Run it again</summary>
<pre>{escape(_command(record))}</pre>
<dl>
{facts}</dl>
</details>
</section>
"""


def _metric(key, metric, quick):
    verdict = framework.verdict(metric, quick)
    note = f'<br><span class="quiet">{escape(metric.note)}</span>' if metric.note else ""
    target = f"{framework.FORMS[metric.at]} {metric.target:g}" if metric.at in framework.FORMS else ""
    look = {"met": "good", "missed": "bad", "report": "quiet"}[verdict]
    return (
        f'<tr><td>{escape(key)}{note}</td><td class="number">{framework.shown(metric.value)}</td>'
        f'<td class="number">{target}</td><td><span class="{look}">{VERDICTS[verdict]}</span></td></tr>\n')


def _place(record):
    return f"{record['backend']}, {record['device']}, {record['dtype']}"


def _duration(seconds):
    return f"{seconds:.1f}\u00a0s" if seconds < 100 else f"{seconds / 60:.1f}\u00a0min"


def _command(record):
    """The command that runs the experiment with the same settings."""
    where = f" --device {record['device']}" if record["backend"] == "accel" else ""
    return (f"python -m experiments run {record['name']} --backend {record['backend']}{where} --dtype "
            f"{record['dtype']} --seed "
            f"{record['seed']}{' --quick' * record['quick']}{' --data DIR' * record['data']}")


def _facts(record):
    """The origin of the numbers, as pairs of words; missing entries are left out."""
    blas = [f"{b['library']} {b['version']}, kernel {b['kernel']}, threads {b['threads']}"
            for b in record.get("blas", [])]
    facts = {"Date": record.get("date"),
             "Commit": (record.get("commit") or "unknown").replace("+", ", with changes"),
             "Versions": ", ".join(f"{name} {version}"
                                   for name, version in record.get("versions", {}).items()),
             "Machine": ", ".join(f"{key} {value}" for key, value in record.get("machine", {}).items()),
             "BLAS": "; ".join(blas)}
    return {key: value for key, value in facts.items() if value}
