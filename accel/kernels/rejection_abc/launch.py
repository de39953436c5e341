"""Rejection ABC in kernels: which runs they can take over, and how those are launched.

They need a generator that counts, on a device (`device.generator`), a simulator that carries device code (`device.kernel_code`), a
prior of uniform, normal and log-normal parts, and the Euclidean distance. The draws are those of the page's chunks, but a launch
covers as many chunks as make LAUNCH simulations, whatever the size of a chunk: a bit of memory for each. For a quantile launches
start with a few times as many simulations as it keeps and double, so that no launch keeps more rows than a few times that number.
"""
import numpy as np

from accel.kernels import cuda
from accel.kernels.philox import launch as philox_kernel
from accel.priors import BoxUniform, Independent, LogNormal, Normal
from accel.priors.box_uniform import extremes
from accel.device import array_module, put

__all__ = ["Fused", "flat", "fused", "program"]

LAUNCH, THREADS, WORD = 100_000_000, 256, 32
UNIFORM, NORMAL, LOG_NORMAL = 0, 1, 2


def fused(rng, prior, simulate, observation, euclidean, chunk_size):
    """The run as kernels, or None where array code must do it."""
    code, xp = getattr(simulate, "device_code", None), getattr(rng, "xp", np)
    if code is None or not cuda.wanted(xp) or not philox_kernel.inside(rng, xp):
        return None
    parts = flat(prior)
    if not euclidean or parts is None:
        cuda.fall_back("rejection ABC: " + ("a prior with other than box-uniform, normal and log-normal parts" if parts is None else
                                                "a distance other than euclidean") + " is beyond the kernel")
        return None
    if (prior.dim, len(observation)) != (code.theta_dim, code.x_dim):
        return None                                                   # the page says what is wrong
    return Fused(rng, parts, code, xp.ascontiguousarray(put(observation, xp, rng.dtype)), chunk_size)


def flat(prior):
    """The parts that a kernel can draw, in the order of their columns; None if there are others."""
    if type(prior) is Independent:
        parts = [flat(part) for part in prior.parts]
        return None if None in parts else sum(parts, [])
    return [prior] if type(prior) in (BoxUniform, Normal, LogNormal) else None


def calls(parts, code):
    """The calls of a chunk, (kind, numbers of a simulation): those of the prior's parts, then those of the simulator."""
    kinds = {BoxUniform: UNIFORM, Normal: NORMAL, LogNormal: LOG_NORMAL}
    return ([(kinds[type(part)], part.dim) for part in parts] +
            [(NORMAL if name == "standard_normal" else UNIFORM, width) for name, width in code.draws])


def program(parts, code):
    """What stands before the kernels, and their constants."""
    kinds, widths = zip(*calls(parts, code))
    lists = "".join(f"__host__ __device__ constexpr int {name}(int c) {{ constexpr int all[] = {{{', '.join(map(str, values))}}}; "
                    "return all[c]; }\n" for name, values in (("kind", kinds), ("width", widths)))
    constants = {"N_THETA": code.theta_dim, "N_X": code.x_dim, "N_NOISE": sum(width for _, width in code.draws), "N_CALLS": len(kinds)}
    return (f'namespace call {{\n{lists}}}\nnamespace simulator {{\n#line 1 "device code of simulate"\n{code.source}\n}}\n'
            '#line 1 "kernels/rejection_abc/rejection_abc.cu"'), constants


class Fused:
    """Calling it simulates, whole chunks at a time, and returns the rows below a bound, how many failed, and the least distance."""

    def __init__(self, rng, parts, code, observation, chunk_size):
        self.rng, self.observation, self.chunk_size = rng, observation, chunk_size
        self.dims, self.calls = (code.theta_dim, code.x_dim), calls(parts, code)
        self.table = array_module(observation).asarray(np.concatenate([table(part, rng.dtype) for part in parts], axis=1))
        text, constants = program(parts, code)
        self.kernels = cuda.load("kernels/rejection_abc/rejection_abc.cu", rng.dtype, code=text, **constants)

    def size(self, n_left, n_done, n_kept):
        """How many simulations to make next: whole chunks, or what is left; n_kept is how many rows a quantile keeps."""
        most = LAUNCH if n_kept is None else min(LAUNCH, max(n_done, 4 * n_kept))
        chunk = min(self.chunk_size, n_left)
        return max(1, min(n_left, most) // chunk) * chunk

    def __call__(self, n, bound):
        rng, xp, chunk = self.rng, self.rng.xp, min(self.chunk_size, n)
        n_words = n // chunk * -(-chunk // WORD)
        n_blocks = -(-n_words // THREADS)
        seed, block = np.uint64(rng.seed), np.uint64(rng.block)
        rng.block += n // chunk * sum(-(-chunk * width // 4) for _, width in self.calls)
        accepted, begins = xp.empty(n_words, np.uint32), xp.empty(n_blocks, np.int64)
        counts, failures, nearest = xp.empty(n_blocks, np.int32), xp.empty(n_blocks, np.int32), xp.empty(n_blocks, rng.dtype)
        totals, bound = xp.empty(3), xp.full(1, bound, dtype=rng.dtype)
        self.kernels("mark", n_blocks, THREADS, accepted, counts, failures, nearest, self.table, self.observation, bound, seed, block,
                     np.int64(chunk), np.int64(n_words))
        self.kernels("places", 1, THREADS, begins, totals, counts, failures, nearest, np.int64(n_blocks))
        n_accepted, n_failed, least = totals.get().tolist()
        rows = tuple(xp.empty((int(n_accepted), *shape), rng.dtype) for shape in (self.dims[:1], self.dims[1:], ()))
        if n_accepted:
            self.kernels("collect", n_blocks, THREADS, *rows, accepted, counts, begins, self.table, self.observation, seed, block,
                         np.int64(chunk), np.int64(n_words))
        return rows, int(n_failed), least


def table(part, dtype):
    """How a kernel makes θ of what is drawn: z · scale + head + tail, between lowest and highest; (5, dim) on the host."""
    number = np.finfo(dtype)
    if type(part) is BoxUniform:
        head, edges = part.low.astype(dtype), extremes(np.empty(0, dtype), part.low, part.high)
        return np.stack((part.high - part.low, head, part.low - head, *edges)).astype(dtype)
    centre, scale = (part.mean, part.std) if type(part) is Normal else (part.mu, part.sigma)
    edges = (-np.inf, np.inf) if type(part) is Normal else (number.tiny, number.max)
    return np.stack((scale, centre, 0 * centre, *(np.full(part.dim, edge) for edge in edges))).astype(dtype)
