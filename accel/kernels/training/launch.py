"""Trains models in kernels, side by side: the steps of an epoch are replayed from a captured graph.

`GraphEngine` is one of the two engines of `training.minibatch`; array code, in that page, is the other. An
engine is made for some runs. validate() gives the validation loss of each run. epoch(runs) takes an epoch of
the runs that are named, and gives (run, losses of its steps, validation loss) for each. A step is three
launches, for any number of runs:

    gradient    the model's own kernel: each block's share of the gradient and of the loss
    reduce      their sums in a fixed order, ‖g‖², the step's loss; looks up the step's η' and ε'
    adam        clips the gradient and takes a step of Adam (`training.optim`); moves the cursor on

What differs from step to step is in device memory: the row numbers of an epoch's batches, its noise, a table
of (η', ε'), the cursor. They are filled once an epoch. The host waits once an epoch, for all losses together,
and draws and sorts the random numbers of the next epoch meanwhile. The first GRAPH_STEPS steps are launched
kernel by kernel, which compiles and loads the kernels. After that a graph of as many steps is replayed. A
graph remembers addresses: buffers are allocated once and never rebound, and what a launcher allocates during
capture comes from a memory pool that nothing else uses.

`model.fused(params, data, batch_size)` gives the training step of a model, a `Step`, or None for array code:

    step.n_blocks(n, n_models)                                  G, the blocks of each model for n rows of each
    step.gradient(flat, rows, cursor, noise, partial, losses)   writes partial (E, G, P) and losses (E, G)
    step.loss(flat, rows, cursor, noise, losses)                writes losses (E, G)

for E models with P parameters each: flat (E, P), rows (E, S, B) the row numbers of S batches of B rows, noise
arrays (E, S, B, …), and cursor (1,) with the number of the current batch. The sums over G are the gradient
and the mean loss of the batch. Both run on the current stream and may not synchronise.
"""
import math

import numpy as np

from accel.device import array_module
from accel.kernels import cuda

__all__ = ["GraphEngine", "Optimiser", "step_of"]

SOURCE = "kernels/training/adam.cu"
GRAPH_STEPS, THREADS = 32, 256


def step_of(model, params, data, batch_size):
    """The training step of the model in kernels, None where array code is to run."""
    make = getattr(model, "fused", None)
    return make(params, data, batch_size) if make and cuda.wanted(array_module(*data)) else None


class Optimiser:
    """The buffers of E models that are trained side by side, and the launches after the gradient kernel."""

    def __init__(self, xp, dtype, *, n_models, n_params, n_blocks, n_batches, batch_size, clip_norm, betas):
        def new(*shape):
            return xp.empty((n_models, *shape), dtype)
        self.flat, self.grads, self.partial = new(n_params), new(n_params), new(n_blocks, n_params)
        self.mean, self.square = (xp.zeros((n_models, n_params), dtype) for _ in range(2))
        self.losses, self.rates, self.current = new(n_blocks), new(n_batches, 2), new(2)
        self.rows, self.cursor = xp.empty((n_models, n_batches, batch_size), np.int32), xp.zeros(1, np.int32)
        self.record = xp.zeros((n_models, n_batches + 1), dtype)      # of the steps, then the validation loss
        self.slices = 1 << min(max(n_blocks // 8, 1).bit_length() - 1, 3)
        self.n_groups, self.clip_norm = -(-n_params // (THREADS // self.slices)), clip_norm
        self.norms = new(self.n_groups)
        self.kernels = cuda.load(SOURCE, dtype, THREADS=THREADS, BETA1=betas[0], BETA2=betas[1])

    def step(self):
        """From the blocks' shares of gradient and loss to new parameters; the cursor moves on."""
        n_models, n_blocks, n_params = self.partial.shape
        self.kernels("reduce", (self.n_groups, n_models), THREADS, self.partial, self.losses, self.rates,
                     self.cursor, self.grads, self.norms, self.current, self.record, n_params, n_blocks,
                     self.rates.shape[1], self.slices)
        self.kernels("adam", (-(-n_params // THREADS), n_models), THREADS, self.grads, self.norms,
                     self.current, self.flat, self.mean, self.square, self.cursor, n_params, self.n_groups,
                     self.clip_norm)

    def validation_loss(self, losses):
        """The last column of the record, from the blocks' shares (E, G)."""
        n_models, n_blocks = losses.shape
        self.kernels("total", n_models, THREADS, losses, self.record, n_blocks, self.rates.shape[1])


class GraphEngine:
    """Runs side by side in kernels. The parameters and Adam's state of the runs move into its buffers."""

    def __init__(self, step, runs):
        settings, flat, n_runs = runs[0].settings, runs[0].params.flat, len(runs)
        xp, batch_size, n_held = array_module(flat), settings["batch_size"], settings["n_validation"]
        self.model_step, self.runs, self.n_batches, self.xp = step, runs, settings["n_batches"], xp
        self.optimiser = Optimiser(
            xp, flat.dtype, n_models=n_runs, n_params=flat.size, n_blocks=step.n_blocks(batch_size, n_runs),
            n_batches=self.n_batches, batch_size=batch_size, clip_norm=settings["clip_norm"],
            betas=settings["betas"])
        for run, *place in zip(runs, self.optimiser.flat, self.optimiser.mean, self.optimiser.square):
            run.move(*place)
        self.kept = {run: xp.asarray(run.kept, dtype=np.int32) for run in runs}
        self.held = xp.asarray(np.stack([run.held for run in runs])[:, None], dtype=np.int32)
        noise = zip(*(run.state["noise"] for run in runs))
        self.held_noise = tuple(self._stacked([[array] for array in arrays]) for arrays in noise)
        self.held_losses = xp.empty((n_runs, step.n_blocks(n_held, n_runs)), flat.dtype) if n_held else None
        self.first, self.noise, self.graphs = xp.zeros(1, np.int32), None, {}
        self.stream, self.pool = xp.cuda.Stream(non_blocking=True), xp.cuda.MemoryPool()

    def validate(self):
        """The validation loss of each run."""
        self._wait_for_caller()
        with self.stream:
            self._validate()
            return self.optimiser.record[:, -1].get()

    def epoch(self, runs):
        """(run, losses of its steps, validation loss) of each of these runs, after an epoch."""
        self._fill(runs)
        self._wait_for_caller()
        with self.stream:
            self._train()
            self._validate()
        for run in runs:
            if run.may_draw_ahead():
                run.ahead = self._prepared(run)
        with self.stream:
            record = self.optimiser.record.get()
        yield from ((run, losses[:-1], losses[-1]) for run, losses in zip(self.runs, record) if run in runs)

    def close(self):
        """Wait for the engine's stream, so that other streams may read the buffers."""
        self.stream.synchronize()

    def _wait_for_caller(self):
        """Make the engine's stream wait for the caller's stream."""
        self.stream.wait_event(self.xp.cuda.get_current_stream().record())

    def _prepared(self, run):
        """The row numbers of a run's next epoch, and its noise, on the device."""
        xp, (uniform, noise), (_, *shape) = self.xp, run.numbers(), self.optimiser.rows.shape
        order = xp.argsort(xp.asarray(uniform))[:math.prod(shape)]
        rows = xp.take(self.kept[run], order).reshape(shape)
        return rows, [self._stacked([arrays])[0] for arrays in zip(*noise)]

    def _stacked(self, arrays):
        """Nested lists of arrays as one array on the device, with one upload if they are on the host."""
        xp = array_module(arrays[0][0])
        stacked = xp.stack([xp.stack(row) for row in arrays])
        dtype = self.optimiser.flat.dtype if stacked.dtype.kind == "f" else np.int32
        return self.xp.asarray(stacked.astype(dtype, copy=False))

    def _fill(self, runs):
        """Fill the buffers for an epoch of these runs; the inactive runs go on with zero learning rate."""
        rates, tables = np.zeros(self.optimiser.rates.shape, self.optimiser.rates.dtype), {}
        rates[..., 1] = 1
        for e, run in enumerate(self.runs):
            if run not in runs:
                continue
            rows, noise = run.ahead or self._prepared(run)
            run.ahead = run.mark = None
            if self.noise is None:
                self.noise = tuple(self.xp.zeros((len(self.runs), *a.shape), a.dtype) for a in noise)
            for buffer, values in zip((self.optimiser.rows, *self.noise), (rows, *noise)):
                buffer[e] = values
            step = run.state["step"]
            if step not in tables:
                tables[step] = run.folded_rates()
            rates[e] = tables[step]
        self.optimiser.rates.set(rates)

    def _train(self):
        """The steps of an epoch, GRAPH_STEPS at a time."""
        self.optimiser.cursor.fill(0)
        for first in range(0, self.n_batches, GRAPH_STEPS):
            self._launch_or_replay(min(GRAPH_STEPS, self.n_batches - first))

    def _launch_or_replay(self, n_steps):
        """Take n_steps steps: one by one the first time, which loads the kernels, then as a graph."""
        if n_steps not in self.graphs:
            self.graphs[n_steps] = None
            self.launch(n_steps)
            return
        if self.graphs[n_steps] is None:
            self.graphs[n_steps] = self._captured(n_steps)
        self.graphs[n_steps].launch(self.stream)

    def launch(self, n_steps):
        """Launch n_steps steps one by one, on the current stream."""
        optimiser = self.optimiser
        for _ in range(n_steps):
            self.model_step.gradient(optimiser.flat, optimiser.rows, optimiser.cursor, self.noise,
                                     optimiser.partial, optimiser.losses)
            optimiser.step()

    def _captured(self, n_steps):
        """A graph of n_steps steps; the engine's stream is the current one."""
        with self.xp.cuda.using_allocator(self.pool.malloc):
            self.stream.begin_capture()
            try:
                self.launch(n_steps)
            finally:
                graph = self.stream.end_capture()
        return graph

    def _validate(self):
        if self.held_losses is not None:
            flat, losses = self.optimiser.flat, self.held_losses
            self.model_step.loss(flat, self.held, self.first, self.held_noise, losses)
            self.optimiser.validation_loss(losses)
