"""Trains models in fused kernels, side by side: the steps of an epoch are replayed from a captured graph.

`Fused` is one of the two engines of `training.minibatch`; array code, in that page, is the other. An engine is made for some
runs; then validate() gives the validation loss of each, and epoch(runs) gives (run, losses of its steps, validation loss) of
each of those named. A step is three launches, however many runs there are:

    gradient    a page's own kernel: the partial gradients of blocks of samples, and their shares of the loss
    reduce      their sums in a fixed order, ‖g‖², the step's loss; the step's η' and ε' are looked up
    adam        the clipped step of Adam, to the numbers of `training.optim`; a cursor in device memory goes on to the next step

What differs from step to step lies on the device: the row numbers of an epoch's batches, its noise, a table of (η', ε'), the
cursor. These are filled once an epoch, and once an epoch the host waits, for all losses together; the random numbers of the next
epoch are drawn and sorted meanwhile. The first STEPS steps are launched kernel by kernel, which compiles and loads them. From then on
a graph of so many is replayed, which remembers addresses: buffers are allocated once and never rebound, and what a launcher may
allocate while it is captured comes from a pool that is kept for nothing else.

The fused step of a page is what `model.fused(params, data, batch_size)` returns, None where its kernel cannot have the model:

    step.n_blocks(n, n_models)                                     G, the blocks of each model for n rows of each
    step.gradient(flat, rows, cursor, noise, partial, losses)      flat (E, P), rows (E, S, B) and noise arrays (E, S, B, …) of E
    step.loss(flat, rows, cursor, noise, losses)                   models; cursor (1,) says which of the S; partial (E, G, P) and
                                                                   losses (E, G) are written, whose sums over G are the gradient
                                                                   and the mean loss of the batch

P parameters to a model, B rows to a batch. Neither may synchronise, and both run on the current stream.
"""
import math

import numpy as np

from accel.kernels import cuda
from accel.device import array_module

__all__ = ["Fused", "Steps", "step_of"]

STEPS, THREADS = 32, 256


def step_of(model, params, data, batch_size):
    """The model's fused step, None where array code is to run."""
    fused = getattr(model, "fused", None)
    return fused(params, data, batch_size) if fused and cuda.wanted(array_module(*data)) else None


class Steps:
    """The buffers of E models that are trained side by side, and the part of a step that follows the gradient's kernel."""

    def __init__(self, xp, dtype, *, n_models, n_params, n_blocks, n_batches, batch_size, clip_norm, betas):
        self.flat, self.grads = xp.empty((n_models, n_params), dtype), xp.empty((n_models, n_params), dtype)
        self.mean, self.square = xp.zeros((n_models, n_params), dtype), xp.zeros((n_models, n_params), dtype)
        self.partial, self.shares = xp.empty((n_models, n_blocks, n_params), dtype), xp.empty((n_models, n_blocks), dtype)
        self.slices = 1 << min(max(n_blocks // 8, 1).bit_length() - 1, 3)
        self.n_groups, self.clip_norm = -(-n_params // (THREADS // self.slices)), clip_norm
        self.norms, self.now = xp.empty((n_models, self.n_groups), dtype), xp.empty((n_models, 2), dtype)
        self.rows, self.rates = xp.empty((n_models, n_batches, batch_size), np.int32), xp.empty((n_models, n_batches, 2), dtype)
        self.record = xp.zeros((n_models, n_batches + 1), dtype)      # the losses of the steps, and the validation loss
        self.cursor = xp.zeros(1, np.int32)
        self.kernels = cuda.load("kernels/training/adam.cu", dtype, THREADS=THREADS, BETA1=betas[0], BETA2=betas[1])

    def finish(self):
        """From partial gradients and shares of the loss to new parameters; the cursor goes on."""
        n_models, n_blocks, n_params = self.partial.shape
        self.kernels("reduce", (self.n_groups, n_models), THREADS, self.partial, self.shares, self.rates, self.cursor, self.grads,
                     self.norms, self.now, self.record, n_params, n_blocks, self.rates.shape[1], self.slices)
        self.kernels("adam", (-(-n_params // THREADS), n_models), THREADS, self.grads, self.norms, self.now, self.flat, self.mean,
                     self.square, self.cursor, n_params, self.n_groups, self.clip_norm)

    def validation_loss(self, shares):
        """The last column of the record, from shares (E, G)."""
        self.kernels("total", len(shares), THREADS, shares, self.record, shares.shape[1], self.rates.shape[1])


class Fused:
    """Runs side by side in fused kernels; they move into its buffers."""

    def __init__(self, step, runs):
        settings, flat, n_runs = runs[0].settings, runs[0].params.flat, len(runs)
        self.step, self.runs, self.n_batches, self.xp = step, runs, settings["n_batches"], array_module(flat)
        xp, batch_size, n_held = self.xp, settings["batch_size"], settings["n_validation"]
        self.steps = Steps(xp, flat.dtype, n_models=n_runs, n_params=flat.size, n_blocks=step.n_blocks(batch_size, n_runs),
                           n_batches=self.n_batches, batch_size=batch_size, clip_norm=settings["clip_norm"], betas=settings["betas"])
        for run, *place in zip(runs, self.steps.flat, self.steps.mean, self.steps.square):
            run.move(*place)
        self.kept = {run: xp.asarray(run.kept, dtype=np.int32) for run in runs}
        self.held = xp.asarray(np.stack([run.held for run in runs])[:, None], dtype=np.int32)
        self.held_noise = tuple(self._stacked([[noise] for noise in same]) for same in zip(*(run.state["noise"] for run in runs)))
        self.held_shares = xp.empty((n_runs, step.n_blocks(n_held, n_runs)), flat.dtype) if n_held else None
        self.first, self.noise, self.graphs = xp.zeros(1, np.int32), None, {}
        self.stream, self.pool = xp.cuda.Stream(non_blocking=True), xp.cuda.MemoryPool()

    def validate(self):
        self._follow()
        with self.stream:
            self._validate()
            return self.steps.record[:, -1].get()

    def epoch(self, runs):
        self._fill(runs)
        self._follow()
        with self.stream:
            self._advance()
            self._validate()
        for run in runs:
            if run.may_draw_ahead():
                run.ahead = self._prepared(run)
        with self.stream:
            record = self.steps.record.get()
        yield from ((run, losses[:-1], losses[-1]) for run, losses in zip(self.runs, record) if run in runs)

    def close(self):
        """Wait until the device has done what it was told, so that other streams may read the buffers."""
        self.stream.synchronize()

    def _follow(self):
        """What the caller's stream was told so far comes before what our stream is told from here on."""
        self.stream.wait_event(self.xp.cuda.get_current_stream().record())

    def _prepared(self, run):
        """The row numbers of a run's next epoch, and its noise, on the device."""
        xp, (uniform, noise), (_, *shape) = self.xp, run.numbers(), self.steps.rows.shape
        order = xp.argsort(xp.asarray(uniform))[:math.prod(shape)]
        return xp.take(self.kept[run], order).reshape(shape), [self._stacked([pieces])[0] for pieces in zip(*noise)]

    def _stacked(self, pieces):
        """Nested lists of arrays as one array on the device, with their axes before the arrays': one upload if they are on the host."""
        xp = array_module(pieces[0][0])
        stacked = xp.stack([xp.stack(row) for row in pieces])
        dtype = self.steps.flat.dtype if stacked.dtype.kind == "f" else np.int32
        return self.xp.asarray(stacked.astype(dtype, copy=False))

    def _fill(self, runs):
        """The buffers of an epoch of these runs; the other runs repeat their last one at a rate of zero, and nobody looks."""
        rates, tables = np.zeros(self.steps.rates.shape, self.steps.rates.dtype), {}
        rates[..., 1] = 1
        for e, run in enumerate(self.runs):
            if run not in runs:
                continue
            rows, noise = run.ahead or self._prepared(run)
            run.ahead = run.mark = None
            if self.noise is None:
                self.noise = tuple(self.xp.zeros((len(self.runs), *a.shape), a.dtype) for a in noise)
            for buffer, values in zip((self.steps.rows, *self.noise), (rows, *noise)):
                buffer[e] = values
            step = run.state["step"]
            if step not in tables:
                tables[step] = run.folded_rates()
            rates[e] = tables[step]
        self.steps.rates.set(rates)

    def _advance(self):
        """The steps of an epoch, STEPS at a time."""
        self.steps.cursor.fill(0)
        for first in range(0, self.n_batches, STEPS):
            self._run(min(STEPS, self.n_batches - first))

    def _run(self, n_steps):
        """So many steps: launched one by one the first time, which compiles and loads their kernels, from then on as a graph."""
        if n_steps not in self.graphs:
            self.graphs[n_steps] = None
            self._take(n_steps)
            return
        if self.graphs[n_steps] is None:
            self.graphs[n_steps] = self._captured(n_steps)
        self.graphs[n_steps].launch(self.stream)

    def _take(self, n_steps):
        steps = self.steps
        for _ in range(n_steps):
            self.step.gradient(steps.flat, steps.rows, steps.cursor, self.noise, steps.partial, steps.shares)
            steps.finish()

    def _captured(self, n_steps):
        """A graph of so many steps; ours is the current stream."""
        with self.xp.cuda.using_allocator(self.pool.malloc):
            self.stream.begin_capture()
            try:
                self._take(n_steps)
            finally:
                graph = self.stream.end_capture()
        return graph

    def _validate(self):
        if self.held_shares is not None:
            self.step.loss(self.steps.flat, self.held, self.first, self.held_noise, self.held_shares)
            self.steps.validation_loss(self.held_shares)
