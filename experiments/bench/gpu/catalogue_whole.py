"""The whole catalogue, measured once: 10,000,000 galaxies; not part of `run all`

The work of `catalogue` at full size, from host memory to host memory, after a small one that compiles and
warms up. Ten gigabytes of results are kept in memory. One run, so there is no spread.
"""
import time

import numpy as np

from accel import device
from accel.inference import catalogue as streaming
from experiments.bench.gpu import catalogue, clock, ours


def run(xp, quick):
    n, n_samples = (9, 40) if quick else (catalogue.WHOLE, catalogue.SAMPLES)
    posterior = device.put(catalogue.trained(quick), xp)
    x = catalogue.simulations(min(n, 100_000), seed=1)[1]
    start = time.perf_counter()
    streaming.summarise(posterior, x, seed=1, n_samples=n_samples, quantiles=catalogue.QUANTILES)
    cold = time.perf_counter() - start
    x = np.resize(x, (n, catalogue.WIDTH))
    start = time.perf_counter()
    found = streaming.summarise(posterior, x, seed=1, n_samples=n_samples, quantiles=catalogue.QUANTILES)
    taken = time.perf_counter() - start
    flagged = int(np.count_nonzero(found.flag & ~np.uint8(streaming.FAR)))
    if flagged or not np.isfinite(found.mean).all():
        raise AssertionError(f"expected finite summaries of all objects, got {flagged} flagged")
    one = {ours.KERNELS: clock.Taken(taken, taken, taken, None, cold, 1)}
    return clock.rows(f"Catalogue: {n:,} objects of {n_samples:,} samples", one, unit="s",
                      target={ours.KERNELS: "under 60 s"}, notes={ours.KERNELS: "one run"})
