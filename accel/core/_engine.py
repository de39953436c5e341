"""The two engines of `core.training`, which advance its runs by an epoch: array code, and fused kernels on a device.

An engine is made for some runs; then validate() gives the validation loss of each, and epoch(runs) gives (run, losses of its steps,
validation loss) of each of those named. ArrayCode takes one after another, step by step. Fused takes all of them side by side.
A step is three launches, however many runs there are:

    gradient    a page's own kernel: the partial gradients of blocks of samples, and their shares of the loss
    reduce      their sums in a fixed order, ‖g‖², the step's loss; the step's η' and ε' are looked up
    adam        the clipped step of Adam, to the numbers of `core.optim`; a cursor in device memory goes on to the next step

What differs from step to step lies on the device: the row numbers of an epoch's batches, its noise, a table of (η', ε'), the
cursor. These are filled once an epoch, and once an epoch the host waits, for all losses together; the random numbers of the next
epoch are drawn and sorted meanwhile. The first epoch launches kernel by kernel, which compiles and loads them. Later ones replay
a graph of STEPS steps, which remembers addresses: buffers are allocated once and never rebound, and what a launcher may allocate
while it is captured comes from a pool that is kept for nothing else.

The fused step of a page is what `model.fused(params, data, batch_size)` returns, None where its kernel cannot have the model:

    step.n_blocks(n)                                               G, the blocks for n rows of one model
    step.gradient(flat, rows, cursor, noise, partial, losses)      flat (E, P), rows (E, S, B) and noise arrays (E, S, B, …) of E
    step.loss(flat, rows, cursor, noise, losses)                   models; cursor (1,) says which of the S; partial (E, G, P) and
                                                                   losses (E, G) are written, whose sums over G are the gradient
                                                                   and the mean loss of the batch

P parameters to a model, B rows to a batch. Neither may synchronise, and both run on the current stream.
"""
import math

import numpy as np

from accel.core import _kernels, optim
from accel.device import array_module, to_host

__all__ = ["ArrayCode", "Fused", "step_of"]

STEPS, THREADS = 32, 256


def step_of(model, params, data, batch_size):
    """The model's fused step, None where array code is to run."""
    fused = getattr(model, "fused", None)
    return fused(params, data, batch_size) if fused and _kernels.wanted(array_module(params.flat)) else None


class ArrayCode:
    """Runs in array code."""

    def __init__(self, model, data, runs):
        self.model, self.data, self.runs, self.xp = model, data, runs, array_module(*data)
        self.held = {run: self._rows(run.held) + run.state["noise"] for run in runs if len(run.held)}

    def validate(self):
        return [self.model.loss(run.params, *self.held[run]) for run in self.runs]

    def epoch(self, runs):
        for run in runs:
            losses = self._steps(run)
            finished = run in self.held and np.isfinite(losses).all()
            yield run, losses, self.model.loss(run.params, *self.held[run]) if finished else math.nan

    def close(self):
        pass

    def _rows(self, numbers):
        numbers = self.xp.asarray(numbers)
        return [self.xp.take(a, numbers, axis=0) for a in self.data]

    def _steps(self, run):
        """The losses of an epoch's steps, as host numbers; on the CPU the first that is not finite is the last."""
        xp, (uniform, noise), size, losses = self.xp, run.numbers(), run.settings["batch_size"], []
        order = xp.asarray(run.kept[np.argsort(to_host(uniform))])
        for b, (eta, drawn) in enumerate(zip(run.learning_rates(), noise)):
            loss, grads = self.model.loss_and_grad(run.params, *self._rows(order[b * size:(b + 1) * size]), *drawn)
            losses.append(loss)
            if xp is np and not math.isfinite(loss):
                break
            grads, _ = optim.clip_by_norm(grads, run.settings["clip_norm"])
            state = optim.AdamState(run.state["step"] + b, run.mean, run.square)
            optim.adam_step(run.params, grads, state, learning_rate=eta)
        return np.array(losses, float) if xp is np else xp.stack(losses).get().astype(float)


class Fused:
    """Runs side by side in fused kernels; they move into its buffers."""

    def __init__(self, step, runs):
        settings, n_params, dtype = runs[0].settings, runs[0].params.flat.size, runs[0].params.flat.dtype
        self.step, self.runs, self.xp = step, runs, array_module(runs[0].params.flat)
        self.n_batches, self.clip_norm = settings["n_batches"], settings["clip_norm"]
        xp, n_runs, shape = self.xp, len(runs), (self.n_batches, settings["batch_size"])
        self.kernels = _kernels.load("core/_adam.cu", dtype, THREADS=THREADS, BETA1=optim.BETA1, BETA2=optim.BETA2)
        n_blocks, n_held = step.n_blocks(shape[1]), settings["n_validation"]
        self.slices = 1 << min(max(n_blocks // 8, 1).bit_length() - 1, 3)
        self.n_groups = -(-n_params // (THREADS // self.slices))

        self.flat, self.mean, self.square, self.grads = (xp.empty((n_runs, n_params), dtype) for _ in range(4))
        self.partial, self.shares = xp.empty((n_runs, n_blocks, n_params), dtype), xp.empty((n_runs, n_blocks), dtype)
        self.norms, self.now = xp.empty((n_runs, self.n_groups), dtype), xp.empty((n_runs, 2), dtype)
        self.rows, self.rates = xp.empty((n_runs, *shape), np.int32), xp.empty((n_runs, self.n_batches, 2), dtype)
        self.record = xp.zeros((n_runs, self.n_batches + 1), dtype)      # the losses of the steps, and the validation loss
        self.cursor, self.first = xp.zeros(1, np.int32), xp.zeros(1, np.int32)
        self.noise, self.graphs = None, None
        self.kept = [xp.asarray(run.kept, dtype=np.int32) for run in runs]
        self.held = xp.asarray(np.stack([run.held for run in runs])[:, None], dtype=np.int32)
        self.held_noise = tuple(self._stacked([[noise] for noise in same]) for same in zip(*(run.state["noise"] for run in runs)))
        self.held_shares = xp.empty((n_runs, step.n_blocks(n_held)), dtype) if n_held else None
        for run, *place in zip(runs, self.flat, self.mean, self.square):
            run.move(*place)
        self.stream, self.pool = xp.cuda.Stream(non_blocking=True), xp.cuda.MemoryPool()

    def validate(self):
        self._follow()
        with self.stream:
            self._held_out()
            return self.record[:, -1].get()

    def epoch(self, runs):
        self._fill(runs)
        self._follow()
        with self.stream:
            self._steps()
            self._held_out()
        for run in runs:
            if run.may_draw_ahead():
                run.ahead = self._prepared(run)
        with self.stream:
            record = self.record.get()
        yield from ((run, losses[:-1], losses[-1]) for run, losses in zip(self.runs, record) if run in runs)

    def close(self):
        """Wait until the device has done what it was told, so that other streams may read the buffers."""
        self.stream.synchronize()

    def _follow(self):
        """What the caller's stream was told so far comes before what our stream is told from here on."""
        self.stream.wait_event(self.xp.cuda.get_current_stream().record())

    def _prepared(self, run):
        """The row numbers of a run's next epoch, and its noise, on the device."""
        xp, (uniform, noise) = self.xp, run.numbers()
        order = xp.argsort(xp.asarray(uniform))[:self.rows[0].size]
        rows = xp.take(self.kept[self.runs.index(run)], order).reshape(self.rows.shape[1:])
        return rows, [self._stacked([pieces])[0] for pieces in zip(*noise)]

    def _stacked(self, pieces):
        """Nested lists of arrays (E, S, …) as one array on the device: a single upload if they are on the host."""
        xp, on_host = (np, True) if array_module(pieces[0][0]) is np else (self.xp, False)
        stacked = xp.stack([xp.stack(list(row)) for row in pieces])
        dtype = self.flat.dtype if stacked.dtype.kind == "f" else np.int32
        return self.xp.asarray(stacked.astype(dtype, copy=False) if on_host else stacked, dtype=dtype)

    def _fill(self, runs):
        """The static buffers for an epoch of these runs; the others repeat their last one, and nobody looks."""
        xp, tables = self.xp, {}
        rates = np.zeros(self.rates.shape, self.rates.dtype)
        rates[..., 1] = 1
        for e, run in enumerate(self.runs):
            if run not in runs:
                continue
            rows, noise = run.ahead or self._prepared(run)
            run.ahead = run.mark = None
            if self.noise is None:
                self.noise = tuple(xp.zeros((len(self.runs), *piece.shape), piece.dtype) for piece in noise)
            for buffer, piece in zip((self.rows, *self.noise), (rows, *noise)):
                buffer[e] = piece
            if run.state["step"] not in tables:
                tables[run.state["step"]] = [optim.folded(run.state["step"] + b + 1, eta) for b, eta in enumerate(run.learning_rates())]
            rates[e] = tables[run.state["step"]]
        self.rates.set(rates)

    def _step(self):
        launch, (n_runs, n_blocks, n_params) = self.kernels, self.partial.shape
        self.step.gradient(self.flat, self.rows, self.cursor, self.noise, self.partial, self.shares)
        launch("reduce", (self.n_groups, n_runs), THREADS, self.partial, self.shares, self.rates, self.cursor, self.grads, self.norms,
               self.now, self.record, n_params, n_blocks, self.n_batches, self.slices)
        launch("adam", (-(-n_params // THREADS), n_runs), THREADS, self.grads, self.norms, self.now, self.flat, self.mean,
               self.square, self.cursor, n_params, self.n_groups, self.clip_norm)

    def _steps(self):
        """The steps of an epoch, launched one by one the first time, later as graphs."""
        self.cursor.fill(0)
        if self.graphs is None:
            for _ in range(self.n_batches):
                self._step()
            self.graphs = []
            return
        if not self.graphs:
            whole, rest = divmod(self.n_batches, STEPS)
            self.graphs = ([(self._captured(STEPS), whole)] if whole else []) + ([(self._captured(rest), 1)] if rest else [])
        for graph, times in self.graphs:
            for _ in range(times):
                graph.launch(self.stream)

    def _captured(self, n_steps):
        """A graph of so many steps; the current stream must be ours."""
        with self.xp.cuda.using_allocator(self.pool.malloc):
            self.stream.begin_capture()
            try:
                for _ in range(n_steps):
                    self._step()
            finally:
                graph = self.stream.end_capture()
        return graph

    def _held_out(self):
        if self.held_shares is not None:
            self.step.loss(self.flat, self.held, self.first, self.held_noise, self.held_shares)
            self.kernels("total", len(self.runs), THREADS, self.held_shares, self.record, self.held_shares.shape[1], self.n_batches)
