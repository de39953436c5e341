"""Compile every kernel of accel for GPUs that this machine need not have, and report what each needs.

    python -m tests.kernels.compile [--out FILE]

compiles with nvcc for sm_80 and sm_90 in both dtypes, prints a table of registers, shared memory and spills,
and writes it as Markdown if a file is named. The exit code is 1 if a kernel does not compile. Each file names
its constants, those of the benchmarks, in lines "// Compiled in the tests with DIM=3 CONTEXT=10".
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from accel.kernels import cuda

__all__ = ["ARCHITECTURES", "NVCC", "compiled", "constants", "markdown", "sources"]

NVCC = shutil.which("nvcc")
ARCHITECTURES = (80, 90)


def sources():
    """Every kernel file of accel, as cuda.load names it."""
    return sorted(str(path.relative_to(cuda.ROOT)) for path in cuda.ROOT.rglob("*.cu"))


def constants(path):
    """The constants that the file is compiled with here, ["DIM=3", …]."""
    lines = re.findall(r"^// Compiled in the tests with(.*)$", (cuda.ROOT / path).read_text(), re.MULTILINE)
    if not lines:
        raise ValueError(f'{path}: expected a line "// Compiled in the tests with NAME=value …", got none')
    return " ".join(lines).split()


def compiled(path, architecture, dtype):
    """[(kernel, registers, bytes of static shared memory, bytes spilled)] of one file.

    A RuntimeError holds the compiler's message. nvcc splits an option at commas, which are escaped.
    """
    named = f"REAL={cuda.NAMES[dtype]}", *constants(path)
    defines = [f"-D{constant}".replace(",", r"\,") for constant in named]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "kernel.cu"
        file.write_text(cuda.source(path))
        command = [NVCC, f"-arch=sm_{architecture}", "-std=c++17", "-cubin", "-Xptxas", "-v", *defines,
                   "-o", file.with_suffix(".cubin"), file]
        finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode:
        raise RuntimeError(f"{path}, sm_{architecture}, {dtype}:\n{finished.stderr}")
    found, name, spilled = [], "", 0
    for line in finished.stderr.splitlines():
        if match := re.search(r"Compiling entry function '(\w+)'", line):
            name = match[1]
        if match := re.search(r"(\d+) bytes spill stores", line):
            spilled = int(match[1])
        if match := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            found.append((name, int(match[1]), int(shared[1]) if shared else 0, spilled))
    return sorted(found)


def markdown():
    """The table of all kernels, and what failed."""
    heads = [f"sm_{a}: registers, static shared [B], spilled [B]" for a in ARCHITECTURES]
    lines = [f"| file | kernel | dtype | {' | '.join(heads)} |", "|---|---|---|" + "---|" * len(heads)]
    failures = []
    for path in sources():
        for dtype in cuda.NAMES:
            try:
                tables = [{name: numbers for name, *numbers in compiled(path, architecture, dtype)}
                          for architecture in ARCHITECTURES]
            except (RuntimeError, ValueError) as error:
                failures.append(str(error))
                continue
            for name in tables[0]:
                columns = (", ".join(map(str, table[name])) for table in tables)
                lines.append(f"| {path} | {name} | {dtype} | {' | '.join(columns)} |")
    return "\n".join(lines) + "\n", failures


def release():
    """The compiler and its version."""
    said = subprocess.run([NVCC, "--version"], capture_output=True, text=True).stdout
    return f"nvcc {re.search(r'release [0-9.]+, V([0-9.]+)', said)[1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    if NVCC is None:
        print("nvcc was not found", file=sys.stderr)
        return 1
    table, failures = markdown()
    print(table, *failures, sep="\n")
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        heading = ("# What the kernels need, from the compiler\n\n"
                   f"{release()}, with the constants that each file names, float32 and float64. Dynamic "
                   "shared memory is chosen at launch: see [GPU.md](../../bench/GPU.md).\n\n")
        arguments.out.write_text(heading + table, "utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
