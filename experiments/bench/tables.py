"""The records of the benchmarks as one table and one figure: python -m experiments.bench.tables DIR

Writes RESULTS.md and ratios.png beside this file, from every record NAME-cpu.json in DIR that has rows
against peers, and, where there are records of them, how far from the limit we are into the page and how time
grows into scaling.png. A row where we lose stays.
"""
import json
import sys
from pathlib import Path

from experiments.harness.framework import shown

__all__ = ["rows", "markdown", "limits", "figure", "points", "scaling"]

HERE = Path(__file__).parent
MARKERS = {"sbi": "o", "zuko": "s", "flowjax": "^", "nflows": "v", "torch": "P", "JAX": "X",
           "scikit-learn": "D", "NumPy": "p", "pyabc": "*"}


def main(words):
    if len(words) != 1 or not Path(words[0]).is_dir():
        print("experiments.bench.tables: expected the folder of the records", file=sys.stderr)
        return 2
    records = [json.loads(path.read_text("utf-8")) for path in sorted(Path(words[0]).glob("*-cpu.json"))]
    against_peers = [record for record in records if any("peer" in row for row in record["rows"])]
    if not against_peers:
        print(f"no record of a benchmark against peers in {words[0]}")
        return 0
    (HERE / "RESULTS.md").write_text(markdown(against_peers) + limits(records), "utf-8")
    figure(against_peers).savefig(HERE / "ratios.png", metadata={"Software": None})
    print(f"{HERE / 'RESULTS.md'}, {HERE / 'ratios.png'}")
    if points(records):
        scaling(records).savefig(HERE / "scaling.png", metadata={"Software": None})
        print(HERE / "scaling.png")
    return 0


def rows(records):
    """Every row against a peer, in the order of the records."""
    return [row for record in records for row in record["rows"] if "peer" in row]


def markdown(records):
    """The table, headed by where and with what it was measured."""
    versions = {name: version for record in records for name, version in record["versions"].items()}
    kernels = {f"{entry['library']} {entry['version']}, kernel {entry['kernel']}" for record in records
               for entry in record["blas"]}
    lines = [
        "# Speed on a CPU", "",
        "The peer's time over ours, so that more is better; both measured in one run, in turn, medians. One "
        "BLAS thread, float32.",
        "What the sides compute was compared first: see the last column. `make bench` writes this page from "
        "its records.", "", f"{records[0]['machine']['processor']}; {'; '.join(sorted(kernels))}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".", "",
        "| work | peer | ours | peer's | ratio | target | | compared |", "|---|---|---|---|---|---|---|---|"]
    for row in rows(records):
        ratio, target = row.get("ratio"), row.get("target")
        mark = "" if target is None else "✓" if ratio is not None and ratio >= target else "✗"
        numbers = ["–" if ratio is None else shown(ratio), "" if target is None else shown(target), mark]
        cells = [row["work"], row["peer"], _amount(row, "ours"), _amount(row, "peer"), *numbers,
                 row["compared"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def limits(records):
    """A second table: the share of the machine's matrix-product rate that is reached, and where the time
    goes. Empty without a record."""
    found = [row for record in records for row in record["rows"] if "fraction" in row]
    if not found:
        return ""
    lines = [
        "", "## The limit", "",
        "Operations of the matrix products as computed, over the time and over the rate of this machine's "
        "best product; then the",
        "shares of the time that the same products take alone in a warm cache, that tanh takes, and that "
        "is left for the rest.", "",
        "| work | Mflop | ours | Gflop/s | of the limit | products alone | tanh | rest |",
        "|---|---|---|---|---|---|---|---|"]
    for row in found:
        cells = [row["work"], _or_dash(row.get("Mflop")), _amount(row, "ours"), shown(row["Gflop/s"])]
        cells += [_or_dash(row.get(key)) for key in ("fraction", "products alone", "tanh", "rest")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _or_dash(value):
    return "–" if value is None else shown(value)


def points(records):
    """Every point of a curve, in the order of the records."""
    return [row for record in records for row in record["rows"] if "along" in row]


def _amount(row, side):
    """The number with its unit, whichever that is, and the spread where there is one."""
    found = [(key, value) for key, value in row.items() if key.startswith(f"{side} [") and value is not None]
    if not found:
        return "–"
    (key, value), extent = found[0], row.get(f"{side} min–max")
    return f"{shown(value)} {key.partition('[')[2].rstrip(']')}" + (f" ({extent})" if extent else "")


def figure(records):
    """Every ratio of times or sizes on a logarithmic scale, a line for each kind of work, with its target."""
    from experiments.harness import figures
    kept = [row for row in rows(records) if row.get("ratio") and any(key.startswith("peer [") for key in row)]
    works = list(dict.fromkeys(row["work"] for row in kept))
    with figures.style():
        drawn = figures.new(11, 0.34 * len(works) + 1.6)
        axes = drawn.subplots()
        colours = dict(zip(MARKERS, list(figures.COLOURS.values()) * 2))
        for peer, marker in MARKERS.items():
            mine = [row for row in kept if row["peer"] == peer]
            if mine:
                at = [works.index(row["work"]) for row in mine]
                axes.scatter([row["ratio"] for row in mine], at, marker=marker, s=55, color=colours[peer],
                             label=peer, zorder=3)
                asked = [(row["target"], place) for row, place in zip(mine, at) if row["target"]]
                if asked:
                    axes.scatter(*zip(*asked), marker="|", s=130, color=colours[peer], zorder=2)
        axes.axvline(1, color="black", linewidth=1)
        axes.set_xscale("log")
        axes.set_yticks(range(len(works)), works)
        axes.set_ylim(len(works) - 0.4, -0.6)
        axes.set_xlabel("the peer's over ours: right of 1 we take less; a bar is the target")
        axes.legend(loc="upper right")
    return drawn


def scaling(records):
    """Time against what grows, a panel for each."""
    from experiments.harness import figures
    kept = points(records)
    grown = list(dict.fromkeys(row["along"] for row in kept))
    with figures.style():
        drawn = figures.new(11, 3.6 * -(-len(grown) // 2))
        panels = drawn.subplots(-(-len(grown) // 2), 2, squeeze=False).ravel()
        for panel in panels[len(grown):]:
            panel.set_axis_off()
        for panel, along in zip(panels, grown):
            mine = [row for row in kept if row["along"] == along]
            unit = next(key for key in mine[0] if key.startswith("ours ["))
            for work in dict.fromkeys(row["work"] for row in mine):
                line = [(row["at"], row[unit]) for row in mine if row["work"] == work]
                panel.plot(*zip(*line), marker="o", label=work)
            panel.set_xlabel(along)
            panel.set_ylabel(f"time [{unit.partition('[')[2]}")
            places = sorted({row["at"] for row in mine})
            if places[-1] > 10:
                panel.set_xscale("log")
            if max(row[unit] for row in mine) > 10 * min(row[unit] for row in mine):
                panel.set_yscale("log")
            else:
                panel.set_ylim(0, 1.25 * max(row[unit] for row in mine))
            if places[-1] < 100:
                panel.set_xticks(places, map(str, places))
                panel.set_xticks([], minor=True)
            panel.legend(loc="best")
    return drawn


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
