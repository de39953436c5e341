"""Rejection ABC in kernels: one run, whose launches cover many chunks.

    if possible(rng):                                              a counter-based generator of a device
        run = Fused(rng, columns, code, observation, chunk_size)   code: `device.DeviceCode` of the simulator
        near, n_failed, smallest = run(n, bound)                   n simulations: the rows below the bound

The draws are those of the page's chunks. A launch covers whole chunks, LAUNCH simulations at most, with a bit
of memory for each. For a quantile launches start with a few times as many simulations as it keeps and double,
so that no launch keeps more rows than a few times that number.
"""
import numpy as np

from accel.device import array_module
from accel.kernels import cuda
from accel.kernels.philox import launch as philox_kernel
from accel.kernels.plan import LaunchPlan
from accel.kernels.prior_columns import KINDS, NORMAL, UNIFORM

__all__ = ["Fused", "possible", "program"]

LAUNCH = 100_000_000                                                  # simulations of a launch
THREADS, WORD = 256, 32                                               # of a block; simulations of a thread
MACROS = {"THREADS": THREADS, "WORD": WORD, **KINDS}


def possible(rng):
    """Whether kernels can draw what rng would."""
    xp = getattr(rng, "xp", np)
    return cuda.wanted(xp) and philox_kernel.inside(rng, xp)


def program(calls, code):
    """What is before the kernels in their source, and their constants.

    calls: the calls of a chunk for the prior's columns, [(kind, numbers of a simulation)].
    """
    draws = [(NORMAL if name == "standard_normal" else UNIFORM, width) for name, width in code.draws]
    kinds, widths = zip(*calls, *draws)
    lists = "".join(f"__host__ __device__ constexpr int {name}(int c) {{ constexpr int all[] = "
                    f"{{{', '.join(map(str, values))}}}; return all[c]; }}\n"
                    for name, values in (("kind", kinds), ("width", widths)))
    constants = {"N_THETA": code.theta_dim, "N_X": code.x_dim,
                 "N_NOISE": sum(width for _, width in code.draws),
                 "N_CALLS": len(kinds), **MACROS}
    return (f'namespace call {{\n{lists}}}\nnamespace simulator {{\n#line 1 "device code of simulate"\n'
            f'{code.source}\n}}\n#line 1 "kernels/rejection_abc/rejection_abc.cu"'), constants


class Fused:
    """Calling it simulates whole chunks: the rows below a bound, how many failed, and the least distance."""

    def __init__(self, rng, columns, code, observation, chunk_size):
        calls, table = columns
        self.rng, self.observation, self.chunk_size = rng, observation, chunk_size
        self.dims, self.widths = (code.theta_dim, code.x_dim), [width for _, width in (*calls, *code.draws)]
        self.table = array_module(observation).asarray(table)
        text, constants = program(calls, code)
        self.kernels = cuda.load("kernels/rejection_abc/rejection_abc.cu", rng.dtype, code=text, **constants)

    def size(self, n_left, n_done, n_kept):
        """How many simulations to make next: whole chunks, or what is left; a quantile keeps n_kept rows."""
        most = LAUNCH if n_kept is None else min(LAUNCH, max(n_done, 4 * n_kept))
        chunk = min(self.chunk_size, n_left)
        return max(1, min(n_left, most) // chunk) * chunk

    def __call__(self, n, bound):
        rng, xp, chunk = self.rng, self.rng.xp, min(self.chunk_size, n)
        n_words = n // chunk * -(-chunk // WORD)
        plan = LaunchPlan(tile=THREADS * WORD, threads=THREADS, blocks=-(-n_words // THREADS), shared=0)
        seed, block = np.uint64(rng.seed), np.uint64(rng.block)
        rng.block += n // chunk * sum(-(-chunk * width // 4) for width in self.widths)
        accepted, begins = xp.empty(n_words, np.uint32), xp.empty(plan.blocks, np.int64)
        counts, failures = xp.empty(plan.blocks, np.int32), xp.empty(plan.blocks, np.int32)
        nearest, totals = xp.empty(plan.blocks, rng.dtype), xp.empty(3)
        bound = xp.full(1, bound, dtype=rng.dtype)
        size = np.int64(chunk), np.int64(n_words)
        self.kernels("mark", plan.blocks, plan.threads, accepted, counts, failures, nearest, self.table,
                     self.observation, bound, seed, block, *size)
        self.kernels("places", 1, plan.threads, begins, totals, counts, failures, nearest,
                     np.int64(plan.blocks))
        n_accepted, n_failed, least = totals.get().tolist()
        shapes = self.dims[:1], self.dims[1:], ()
        rows = tuple(xp.empty((int(n_accepted), *shape), rng.dtype) for shape in shapes)
        if n_accepted:
            self.kernels("collect", plan.blocks, plan.threads, *rows, accepted, counts, begins, self.table,
                         self.observation, seed, block, *size)
        return rows, int(n_failed), least
