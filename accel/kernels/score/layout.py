"""The memory layout of a score network for score_network.cuh, and the launch geometry of its kernels."""
import numpy as np

from accel.kernels import cuda
from accel.kernels.plan import LaunchPlan

__all__ = ["MOST_HIDDEN", "compiled", "constants", "geometry", "packed_size", "padded", "plan", "widths_of"]

MOST_HIDDEN, MOST_THREADS = 4, 512                                    # hidden layers; threads of a block
UNITS, LANES, WARP = 8, 8, 32                                         # of a thread; along the samples
READ = 16                                                             # bytes that a thread reads at once


def widths_of(layers):
    """The units of each hidden layer."""
    return [layer.shape[1] for layer in layers[:-1]]


def padded(n):
    """n, rounded up to the units of a thread."""
    return -(-n // UNITS) * UNITS


def packed_size(dim, widths, inputs):
    """How many numbers the packed weights are."""
    layers = [(1 + n_in) * padded(n_out) for n_in, n_out in zip((inputs, *widths), widths)]
    return sum(layers) + padded(dim) + dim * padded(widths[-1])


def constants(dim, widths, inputs):
    """The sizes of the network, as widths.cuh reads them."""
    return {"DIM": dim, "INPUTS": inputs, "HIDDEN": ",".join(map(str, widths))}


def compiled(dim, widths, inputs, plan):
    """All that score_network.cuh is compiled with."""
    launch = {"TILE": plan.tile, "STAGED": int(plan.resident), "UNITS": UNITS, "LANES": LANES}
    return constants(dim, widths, inputs) | launch


def geometry(dim, widths, inputs, dtype, n, *, tile, resident):
    """The LaunchPlan for n rows with this tile, a block for each tile."""
    size = np.dtype(dtype).itemsize
    across = -(-padded(max(widths)) // UNITS // (WARP // LANES))      # warps across the units
    along = tile // (LANES * 2 * READ // size)                        # warps along the samples
    stored = max([across * dim, *map(padded, widths[:-1])])
    shared = size * (resident * packed_size(dim, widths, inputs) + (stored + inputs + 2 * dim + 1) * tile)
    return LaunchPlan(tile, WARP * along * across, -(-n // tile), shared, resident)


def plan(xp, dim, widths, inputs, dtype, n):
    """The LaunchPlan for n rows: the largest tile that gives each multiprocessor one; None if none fits.

    Weights that do not fit in shared memory are read through the cache.
    """
    if len(widths) <= MOST_HIDDEN:
        smallest = LANES * 2 * READ // np.dtype(dtype).itemsize
        for resident in (True, False):
            for tile in (4 * smallest, 2 * smallest, smallest):
                found = geometry(dim, widths, inputs, dtype, n, tile=tile, resident=resident)
                fits = found.shared <= cuda.shared_limit(xp) and found.threads <= MOST_THREADS
                if fits and (tile == smallest or n >= tile * cuda.multiprocessors(xp)):
                    return found
    cuda.fall_back(f"a score network of {dim} dimensions with hidden layers {tuple(widths)} is beyond the "
                   "kernels")
    return None
