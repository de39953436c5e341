"""How a score network is laid out for the kernels of network.cuh, and how many samples a block of them takes."""
import numpy as np

from accel.kernels import cuda

__all__ = ["MOST_HIDDEN", "TOLD", "Fit", "constants", "fit", "padded", "widths_of"]

TOLD, MOST_HIDDEN, MOST_THREADS = 8, 4, 512                           # numbers told of σ; hidden layers and threads of a block at most
UNITS, LANES = 8, 8                                                   # of network.cuh: units of a thread, lanes along the samples


class Fit:
    """One network on one device: the samples of a tile, threads and shared memory of a block, and the compiled constants."""

    def __init__(self, dim, widths, inputs, dtype, *, tile, staged):
        size, each = np.dtype(dtype).itemsize, 2 * 16 // np.dtype(dtype).itemsize
        across = -(-padded(max(widths)) // UNITS // 4)
        stored = max([across * dim, *map(padded, widths[:-1])])
        layers = [(1 + n_in) * padded(n_out) for n_in, n_out in zip((inputs, *widths), widths)]
        self.n_packed = sum(layers) + padded(dim) + dim * padded(widths[-1])
        self.tile, self.threads = tile, 32 * (tile // (LANES * each)) * across
        self.shared = size * (staged * self.n_packed + (stored + inputs + 2 * dim + 1) * tile)
        self.constants = {**constants(dim, widths), "TILE": tile, "STAGED": int(staged)}


def fit(xp, dim, widths, inputs, dtype, n):
    """The Fit for n samples: the largest tile that still gives each multiprocessor one; None where no tile fits.

    Weights that find no room in shared memory are read through the cache.
    """
    if len(widths) <= MOST_HIDDEN:
        smallest = LANES * 2 * 16 // np.dtype(dtype).itemsize
        for staged in (True, False):
            for tile in (4 * smallest, 2 * smallest, smallest):
                found = Fit(dim, widths, inputs, dtype, tile=tile, staged=staged)
                room = found.shared <= cuda.shared_limit(xp) and found.threads <= MOST_THREADS
                if room and (tile == smallest or n >= tile * cuda.multiprocessors(xp)):
                    return found
    cuda.fall_back(f"a score network of {dim} dimensions with hidden layers {tuple(widths)} is beyond the kernels")
    return None


def constants(dim, widths):
    """What widths.cuh asks for."""
    return {"DIM": dim, "LAYERS": len(widths) + 1} | {f"H{k}": width for k, width in enumerate(widths, 1)}


def padded(n):
    return -(-n // UNITS) * UNITS


def widths_of(layers):
    """The units of each hidden layer."""
    return [layer.shape[1] for layer in layers[:-1]]
