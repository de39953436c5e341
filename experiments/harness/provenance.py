"""The origin of a number: versions, commit, machine and BLAS. No user, host or folder is named."""
import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np

__all__ = ["describe", "versions", "commit", "machine", "blas", "found"]

PACKAGES = ("diptych", "numpy", "scipy", "autograd", "matplotlib", "scikit-learn")
CUPY = ("cupy", "cupy-cuda12x", "cupy-cuda13x")
# of a benchmark, where one was imported
PEERS = ("torch", "sbi", "zuko", "nflows", "jax", "flowjax", "pyabc")


def describe(xp=np):
    """All of it, for a record."""
    return {"date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit(),
            "versions": versions(xp), "machine": machine(xp), "blas": blas()}


def versions(xp=np):
    """Python's version and those of the packages that computed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES + (CUPY if xp is not np else ()) + tuple(peer for peer in PEERS
                                                                     if peer in sys.modules):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit():
    """The commit of the source, with "+" if tracked files were changed since; None outside of a checkout."""
    root = Path(__file__).resolve().parents[2]

    def git(*words):
        return subprocess.run(["git", "--no-optional-locks", "-C", str(root), *words], capture_output=True,
                              text=True, timeout=20)

    try:
        top = git("rev-parse", "--show-toplevel")
        if top.returncode or Path(top.stdout.strip()).resolve() != root:
            return None
        head = git("rev-parse", "--short=12", "HEAD").stdout.strip()
        return (head + ("+" if git("status", "--porcelain", "--untracked-files=no").stdout.strip() else "")
                or None)
    except (OSError, subprocess.TimeoutExpired):
        return None


def machine(xp=np):
    """System, processor, cores and, for arrays on a GPU, the GPU."""
    found = {"system": f"{platform.system()} {platform.machine()}", "processor": _processor(),
             "cores": os.cpu_count()}
    if xp is not np and hasattr(xp.cuda, "runtime"):
        runtime = xp.cuda.runtime
        gpu = runtime.getDeviceProperties(runtime.getDevice())
        found |= {"gpu": gpu["name"].decode(), "multiprocessors": gpu["multiProcessorCount"],
                  "gpu_memory_gb": round(gpu["totalGlobalMem"] / 1e9, 1), "driver": _driver(),
                  "cuda_driver": runtime.driverGetVersion(), "cuda_runtime": runtime.runtimeGetVersion(),
                  "nvrtc": "{}.{}".format(*xp.cuda.nvrtc.getVersion())}
    return found


def blas():
    """Each loaded BLAS: library, version, the kernel that it chose for this processor, and its threads
    now."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    loaded = [{"library": info["internal_api"], "version": info.get("version"),
               "kernel": info.get("architecture"), "threads": info["num_threads"]}
              for info in threadpool_info() if info["user_api"] == "blas"]
    return [entry for i, entry in enumerate(loaded) if entry not in loaded[:i]]


def _processor():
    """The name of the processor, as far as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _driver():
    """The version of NVIDIA's driver, None if it is unknown."""
    try:
        asked = subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
                               capture_output=True, text=True, timeout=20)
        return asked.stdout.split()[0] if asked.returncode == 0 and asked.stdout.split() else None
    except (OSError, subprocess.TimeoutExpired):
        return None


def found():
    """What was found to compute with, a line each: a tick for what is there, a cross for what is not."""
    from accel import device
    lines = [f"✓ {name} {version}"
             for name, version in versions().items() if name in ("python", "numpy", "scipy", "autograd")]
    lines += [f"✓ {entry['library']} {entry['version']}, kernel {entry['kernel']}" for entry in blas()]
    try:
        cupy = device.module("cuda")
        has = machine(cupy)
        cuda = f"CUDA {has['cuda_runtime'] // 1000}.{has['cuda_runtime'] % 1000 // 10}"
        gpu = (f"✓ {has['gpu']}, driver {has['driver']}, CuPy {cupy.__version__} for {cuda}, NVRTC "
               f"{has['nvrtc']}")
    except RuntimeError as error:
        gpu = f"✗ no GPU: {str(error).partition(', but ')[2] or error}"
    return [*lines, gpu]


if __name__ == "__main__":
    print("\n".join(found()))
