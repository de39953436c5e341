"""The page about the GPU: python -m experiments.bench.gpu.tables DIR

Writes GPU.md beside the benchmarks, from the records NAME-cuda.json in DIR, audit.json (of an audit on a
device), counts.json and kernels.md, as far as they are there: what was asked and what was measured; what each
side takes; and what is known without a GPU. What was not measured is said to be so; a record of a shrunk run
is none. With records it draws wins.png, one core's time over the device's against size.
"""
import json
import sys
from pathlib import Path

from experiments.bench.gpu import catalogue, langevin, maf_step, ours, realnvp, rejection_abc, score_step
from experiments.harness.framework import shown

__all__ = ["read", "markdown", "targets", "wins", "figure"]

PAGE = Path(__file__).resolve().parents[1] / "GPU.md"
NOT_MEASURED = "not measured"
PEAK, BANDWIDTH = 67e12, 4.8e12  # of an H200, by its data sheet: float32 operations, bytes per second
UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}


def main(words):
    if len(words) != 1 or not Path(words[0]).is_dir():
        print("experiments.bench.gpu.tables: expected the folder of the records", file=sys.stderr)
        return 2
    found = read(Path(words[0]))
    if found["records"]:
        figure(found["records"]).savefig(PAGE.with_name("wins.png"), metadata={"Software": None})
    PAGE.write_text(markdown(found), "utf-8")
    print(PAGE)
    return 0


def read(folder):
    """The records of full runs, and the other files, {} or "" where they are missing."""
    records = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*-cuda.json"))]

    def other(name, otherwise):
        path = folder / name
        return path.read_text("utf-8") if path.exists() else otherwise
    return {"records": [record for record in records if not record["quick"]],
            "audit": json.loads(other("audit.json", "{}")), "counts": json.loads(other("counts.json", "{}")),
            "kernels": other("kernels.md", "")}


def seconds(records, work, side, at=None):
    """The median of a side, in seconds, None where it was not measured."""
    for record in records:
        for row in record["rows"]:
            if row.get("work", "").startswith(work) and row.get("side") == side and at in (None,
                                                                                           row.get("at")):
                key = next(key for key in row if key.startswith("time ["))
                return row[key] * UNITS[key[len("time ["):-1]]
    return None


def targets(found):
    """(work, what is asked, what was measured) for each target."""
    records = found["records"]

    def of(work, side, at=None):
        return seconds(records, work, side, at)
    step, engine = "MAF training step", ours.ENGINE
    five = of(step, engine, 5000)
    walk = of("Annealed Langevin", ours.KERNELS)
    particle_steps = langevin.LEVELS * langevin.STEPS * langevin.PARTICLES
    many, one = (of(f"{step} of all models", engine, n) for n in (32, 1))
    whole, each = of("Catalogue: 10,000,000", ours.KERNELS), of("Catalogue: an object", ours.KERNELS)
    abc = of("Rejection ABC", ours.KERNELS)

    def extrapolated(s):
        return f"{catalogue.WHOLE * s:.3g} s, extrapolated from {catalogue.OBJECTS[ours.KERNELS]:,} galaxies"
    return [
        ("MAF training step, batch 200, float32", "at most 60 µs",
         said(of(step, engine, 200), lambda s: f"{1e6 * s:.3g} µs")),
        ("the same, batch 5,000", "20 times PyTorch eager, ahead of JAX's compiled scan",
         said(ratio(of(step, "torch", 5000), five), lambda r: f"{r:.3g} times PyTorch eager, "
              + said(ratio(of(step, "JAX", 5000), five), lambda j: f"{j:.3g} times JAX, ")
              + said(ratio(of(step, "JAX, TF32", 5000), five), lambda j: f"{j:.3g} times JAX in TF32"))),
        ("32 such models side by side", "at most twice the time of one",
         said(ratio(many, one), lambda r: f"{r:.3g} times")),
        ("summaries of 1,000 samples of 12 parameters for each of 10,000,000 galaxies", "under 60 s",
         f"{whole:.3g} s" if whole else said(each, extrapolated)),
        ("rejection ABC of the power law", "10¹⁰ simulations per second",
         said(abc, lambda s: f"{1 / s:.3g} per second")),
        ("annealed Langevin, 10 × 100 steps × 10⁶ particles", "20 times PyTorch eager",
         said(ratio(of("Annealed Langevin", "torch"), walk),
              lambda r: f"{r:.3g} times, {particle_steps * walk:.3g} s")),
        ("agreement on the device, every public function", "float64 within 32·n·ε, float32 within its budget",
         agreement(found["audit"]))]


def ratio(theirs, ours):
    return theirs / ours if theirs and ours else None


def said(value, words):
    return NOT_MEASURED if value is None else words(value)


def agreement(audit):
    rows = [row for row in audit.get("rows", ()) if row["backend"].startswith("cuda")]
    if not rows:
        return NOT_MEASURED
    return (
        f"{len({row['function'] for row in rows})} functions on "
        f"{', '.join(sorted({row['backend'] for row in rows}))}: {sum(len(row['failures']) for row in rows)} "
        "failures")


def markdown(found):
    """The page."""
    records = found["records"]
    if records:
        first = records[0]
        head = (f"Measured on one {first['machine']['gpu']}, driver {first['machine']['driver']}; "
                + ", ".join(f"{name} {number}" for name, number in all_versions(records).items())
                + f"; commit {first['commit']}.")
    else:
        head = ("**Nothing here about the speed of a GPU is measured**: no record of a run on one is in the "
                "repository. `make bench-gpu` writes such records, `make records` keeps them and renews this "
                "page.")
    lines = ["# Speed on a GPU", "", head, "", "| work | asked | measured |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in targets(found)]
    if records:
        lines += ["", "![The time of one core over the device's, against size](wins.png)", "",
                  *sides(records)]
    lines += ["", "## What is known without a GPU", "", *bounds(), *counted(found["counts"])]
    if found["kernels"]:
        lines += [
            "",
            "Registers, static shared memory and spills of every kernel, as the compiler says for sm_80 and "
            "sm_90: [kernels.md](../results/gpu/kernels.md)."]
    return "\n".join(lines) + "\n"


def all_versions(records):
    return {name: number for record in records for name, number in record["versions"].items()}


def sides(records):
    """Every row that was measured, and the ceilings."""
    lines = [
        "## What each side takes", "",
        "Wall clock from an idle device to an idle device, medians; cold is the first call. The last "
        "shares: the operations and bytes that are counted, over the time, against the measured rates of a "
        "product and of a copy.", "",
        "| work | size | side | time | min–max | by events | cold [s] | of the product rate | of the copy "
        "rate | compared | |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    for record in records:
        for row in record["rows"]:
            if "side" not in row:
                continue
            unit = next(key for key in row if key.startswith("time ["))[len("time ["):-1]
            at = f"{shown(row['at'])} {row['along']}" if "at" in row else ""
            events = f"{shown(row[f'events [{unit}]'])} {unit}" if f"events [{unit}]" in row else ""
            shares = [shown(row[key]) if key in row else ""
                      for key in ("of the product rate", "of the copy rate")]
            lines.append(f"| {row['work']} | {at} | {row['side']} | {shown(row[f'time [{unit}]'])} {unit} | "
                         f"{row['min–max']} | {events} | {shown(row['cold [s]'])} | {' | '.join(shares)} | "
                         f"{row.get('compared', '')} | {row.get('note', '')} |")
    best = [row for record in records if record["name"] == "ceilings" for row in record["rows"]]
    if best:
        lines += ["", "The device at its best:", "", "| | |", "|---|---|"]
        lines += [f"| {row['work']} | {shown(row['value'])} {row['unit']} |" for row in best]
    return lines


def bounds():
    """What the operations and bytes that are counted would take at an H200's data sheet rates."""
    works = [(f"MAF training step, batch {n:,}", *maf_step.counted(n), 1) for n in maf_step.BATCHES]
    works += [(f"RealNVP training step, batch {n:,}", *realnvp.counted(n), 1) for n in (512,)]
    works += [(f"DSM training step, batch {n:,}", *score_step.counted(n), 1) for n in (512,)]
    steps = langevin.LEVELS * langevin.STEPS
    works += [("catalogue of 10,000,000 galaxies", *catalogue.counted(catalogue.SAMPLES), catalogue.WHOLE),
              ("annealed Langevin, 10 × 100 steps × 10⁶ particles", langevin.counted()[0] * steps,
               langevin.counted()[1], langevin.PARTICLES),
              ("10¹⁰ simulations of the power law", *rejection_abc.counted(), 10**10)]
    lines = [
        "Operations of the products (for the power law: of the random numbers and the curve) and the bytes "
        "that must move at least, and what these alone would take at the rates of an H200's data sheet, 67 "
        "Tflop/s in float32 and 4.8 TB/s: bounds, not forecasts. A step of a small batch is bound by "
        "neither, but by the latency of its kernels, one after another. The operations of the Langevin "
        "chains are the same for every side: 20 times PyTorch eager in float32 needs it to be slower than "
        "20 times "
        f"{duration(langevin.PARTICLES * langevin.LEVELS * langevin.STEPS * langevin.counted()[0] / PEAK)} "
        "there.", "", "| work | operations | bytes | operations alone | bytes alone |",
        "|---|---|---|---|---|"]
    for work, operations, n_bytes, times in works:
        operations, n_bytes = operations * times, n_bytes * times
        lines.append(f"| {work} | {operations:.3g} | {n_bytes:.3g} | {duration(operations / PEAK)} | "
                     f"{duration(n_bytes / BANDWIDTH)} |")
    return lines


def duration(s):
    unit = next((unit for unit in ("s", "ms", "µs") if s >= UNITS[unit]), "ns")
    return f"{s / UNITS[unit]:.3g} {unit}" if s else "–"


def counted(counts):
    """What the stand-in counted."""
    if not counts:
        return []
    keys = list(dict.fromkeys(key for row in counts["rows"] for key in row if key not in ("work", "side",
                                                                                          "per", "shapes")))
    lines = [
        "",
        "Counted on the stand-in for CuPy, where kernels run on the CPU: launches of any kernel (a graph is "
        "one), of our own, the bytes of the arrays these were given, uploads, and how often the host waits.",
        "", f"| work | side | per | {' | '.join(keys)} |", "|---|---|---|" + "---|" * len(keys)]
    lines += [f"| {row['work']} | {row['side']} | {row['per']} | "
              f"{' | '.join(shown(row[key]) if key in row else '' for key in keys)} |"
              for row in counts["rows"]]
    lines += [
        "",
        "How kernels are launched there, on a device with the multiprocessors and the shared memory of an "
        "H200, in float32:", "", "| work | kernel | blocks | threads | dynamic shared memory [B] |",
        "|---|---|---|---|---|"]
    lines += [f"| {row['work']} | {name} | {' | '.join(map(shown, shape))} |" for row in counts["rows"]
              for name, shape in row.get("shapes", {}).items()]
    return lines


def wins(records):
    """{(work, along): [(size, the CPU's time over the best of ours on the device)]}, in the order of the
    records."""
    found = {}
    for record in records:
        for row in record["rows"]:
            if "at" not in row or row.get("side") != ours.CPU:
                continue
            cpu = seconds([record], row["work"], ours.CPU, row["at"])
            there = [seconds([record], row["work"], side, row["at"]) for side in (ours.ENGINE, ours.KERNELS)]
            there = [s for s in there if s is not None]
            if there:
                found.setdefault((row["work"], row["along"]), []).append((row["at"], cpu / min(there)))
    return found


def figure(records):
    """One core's time over the device's, against size: above 1 the device wins."""
    from experiments.harness import figures
    with figures.style():
        drawn = figures.new(9, 5)
        axes = drawn.subplots()
        for (work, along), line in wins(records).items():
            axes.plot(*zip(*line), marker="o", label=f"{work} ({along})")
        axes.axhline(1, color="black", linewidth=1)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("size")
        axes.set_ylabel("time of one core / time of the device")
        axes.set_title("The device wins where a line is above 1")
        axes.legend(loc="best", fontsize="small")
    return drawn


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
