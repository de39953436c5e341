"""What the device can do at best: copies, products, launches, transfers

Copies of a large array within the device, bytes read and written counted; products of two square matrices in
CuPy, which is cuBLAS, float32 without TF32 and float64; a launch of a kernel that does nothing but add one,
from Python one after another and in a captured graph; and copies to and from the host. All by CUDA events,
the best of five.
"""
import time

import numpy as np

from experiments.bench.gpu.clock import seconds_on_device

__all__ = ["run", "measure"]

COPY, SIZE, LAUNCHES, UPLOAD = 1 << 30, 8192, 1000, 1 << 28          # bytes; rows; launches; bytes
ADD_ONE = 'extern "C" __global__ void add_one(int* n) { if (threadIdx.x == 0) n[0] += 1; }'


def run(xp, quick):
    found, rows = measure(xp, quick), []
    size = 32 if quick else SIZE
    double = 2 * size**3 / seconds_on_device(xp, product(xp, size, "float64"))
    rows += [row("copy within the device, read and written", found["copy"] / 1e9, "GB/s"),
             row(f"float32 product, {size} × {size}", found["product"] / 1e9, "Gflop/s"),
             row(f"float64 product, {size} × {size}", double / 1e9, "Gflop/s")]
    rows += launches(xp, 10 if quick else LAUNCHES)
    return rows + transfers(xp, (1 << 12) if quick else UPLOAD)


def measure(xp, quick):
    """The two ceilings that a kernel is held against: {"copy": bytes per second, "product": float32
    operations per second}."""
    n, size = (1 << 12, 32) if quick else (COPY, SIZE)
    source, target = xp.zeros(n // 4, "float32"), xp.empty(n // 4, "float32")
    return {"copy": 2 * n / seconds_on_device(xp, lambda: xp.copyto(target, source)),
            "product": 2 * size**3 / seconds_on_device(xp, product(xp, size, "float32"))}


def product(xp, size, dtype):
    a, b = (xp.asarray(np.random.default_rng(seed).standard_normal((size, size)).astype(dtype))
            for seed in (0, 1))
    out = xp.empty_like(a)
    return lambda: xp.matmul(a, b, out=out)


def launches(xp, n):
    """Seconds of one small kernel in a row of n, from Python and from a graph of n nodes."""
    add_one, count = xp.RawModule(code=ADD_ONE).get_function("add_one"), xp.zeros(1, "int32")

    def one_after_another():
        for _ in range(n):
            add_one((1,), (32,), (count,))
    stream = xp.cuda.Stream(non_blocking=True)
    one_after_another()
    with stream:
        stream.synchronize()
        stream.begin_capture()
        one_after_another()
        graph = stream.end_capture()
        in_a_graph = seconds_on_device(xp, graph.launch)
    start = time.perf_counter()
    one_after_another()
    told = time.perf_counter() - start
    eager = seconds_on_device(xp, one_after_another)
    if int(count[0]) < 3 * n:
        raise AssertionError(f"expected at least {3 * n} launches to have added one, got {int(count[0])}")
    return [row("launch of a kernel from Python, one after another", 1e6 * eager / n, "µs"),
            row("the same, until Python has told the driver", 1e6 * told / n, "µs"),
            row(f"kernel in a captured graph of {n}", 1e6 * in_a_graph / n, "µs")]


def transfers(xp, n):
    """Bytes per second to and from the host, from ordinary memory."""
    host = np.zeros(n // 4, np.float32)
    there = xp.asarray(host)
    return [row("copy from the host, ordinary memory",
                n / seconds_on_device(xp, lambda: there.set(host)) / 1e9, "GB/s"),
            row("copy to the host, ordinary memory", n / seconds_on_device(xp, there.get) / 1e9, "GB/s")]


def row(work, value, unit):
    return {"work": work, "value": float(f"{value:.4g}"), "unit": unit}
