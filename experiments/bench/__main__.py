"""python -m experiments.bench list | run NAME …

Every benchmark runs in a process of its own, under one rule for all sides: the BLAS picks its own kernel
(OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE unset) and has one thread. The record says which kernel that was. With
--device cuda the benchmarks are those of `experiments.bench.gpu`, and `twins`; JAX then takes memory as it
needs it, so that the sides can share the device.
"""
import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from accel import device
from experiments import bench
from experiments.harness import framework, provenance
from experiments.__main__ import Parser
from experiments.bench import gpu

UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
SHARED = ("twins",)  # of the CPU's benchmarks those that also run on a device
NOT_IN_ALL = ("catalogue_whole",)
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
              "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
ON_CUDA = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def main(words=None):
    """Run one command and return its exit code: 0 done, 1 a benchmark failed, 2 not understood."""
    parser = Parser(prog="experiments.bench", description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("command", choices=("list", "run", "measure"), metavar="list | run")
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks, or all")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="shrink to seconds")
    parser.add_argument("--out", default="results/bench", metavar="DIR")
    arguments = parser.parse_args(words)
    known = benchmarks(arguments.device)
    if arguments.command == "list":
        print("\n".join(f"{name:24} {title}" for name, title in known.items()) or "no benchmark yet")
        return 0
    if unknown := [name for name in arguments.names if name not in (*known, "all")] or not arguments.names:
        parser.error(f"expected benchmarks for --device {arguments.device}, got "
                     f"{unknown if arguments.names else 'none'} (choose from {', '.join((*known, 'all'))})")
    try:
        xp = device.module(arguments.device)
    except RuntimeError as error:
        parser.error(str(error))
    if arguments.command == "measure":
        return _measure(arguments.names[0], known, xp, arguments)
    environment = {key: value for key, value in os.environ.items() if key not in UNSET} | ONE_THREAD | (
        ON_CUDA if xp is not np else {})
    failed = []
    for name in [name for name in known
                 if name not in NOT_IN_ALL] if "all" in arguments.names else arguments.names:
        print(f"{name}: {known[name]}", flush=True)
        words = (["measure", name, "--device", arguments.device, "--out", arguments.out]
                 + ["--quick"] * arguments.quick)
        if subprocess.run([sys.executable, "-m", "experiments.bench", *words], env=environment).returncode:
            failed.append(name)
    if failed:
        print(f"experiments.bench: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def benchmarks(where):
    """{name: title} of the benchmarks for a device."""
    on_cpu = framework.titles(bench)
    return on_cpu if where == "cpu" else framework.titles(gpu) | {name: on_cpu[name] for name in SHARED}


def _measure(name, known, xp, arguments):
    """Run one benchmark in this process, write DIR/NAME-DEVICE.json and print its rows."""
    start = time.perf_counter()
    try:
        package = bench if xp is np or name in SHARED else gpu
        rows = importlib.import_module(f"{package.__name__}.{name}").run(xp, arguments.quick)
    except ModuleNotFoundError as error:
        print(f"{name}: {error.name} is not installed; make bench installs what is measured against",
              file=sys.stderr)
        return 1
    record = {"name": name, "title": known[name], "device": arguments.device, "quick": arguments.quick,
              "seconds": round(time.perf_counter() - start, 2), **provenance.describe(xp),
              "environment": ONE_THREAD | dict.fromkeys(UNSET) | (ON_CUDA if xp is not np else {}),
              "rows": rows}
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    framework.write(out / f"{name}-{arguments.device}.json", record)
    print(_table(rows))
    return 0


def _table(rows):
    """The rows as aligned columns."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = [keys] + [[framework.shown(row[key]) if isinstance(row.get(key), (int, float))
                       else str(row.get(key, "")) for key in keys] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  "
                     + "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
                     for line in cells)


if __name__ == "__main__":
    sys.exit(main())
