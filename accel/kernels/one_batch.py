"""One call of a page's loss through its fused step: all rows are the one batch of one model.

The protocol of a fused step is in `kernels.training`. Row numbers, the cursor and what the blocks write are borrowed for the
call; the blocks' shares of the gradient are summed in a fixed order.
"""
import numpy as np

from accel import memory
from accel.device import array_module

__all__ = ["loss", "write_grads"]


class Batch:
    """All rows in their order, a cursor that stands at them, and where the blocks write their shares of the loss."""

    def __init__(self, xp, dtype, n, n_blocks):
        self.rows, self.cursor = xp.arange(n, dtype=np.int32).reshape(1, 1, n), xp.zeros(1, np.int32)
        self.losses = xp.empty((1, n_blocks), dtype)


class Partial:
    """Where the blocks write their shares of the gradient."""

    def __init__(self, xp, dtype, n_blocks, n_params):
        self.grads = xp.empty((1, n_blocks, n_params), dtype)


def loss(flat, step, n, noise=()):
    """The mean loss at the parameters flat (P,) of the n rows that the step was made for."""
    with memory.borrow(Batch, array_module(flat), flat.dtype, n, step.n_blocks(n)) as batch:
        step.loss(flat, batch.rows, batch.cursor, noise, batch.losses)
        return batch.losses.sum()


def write_grads(flat, dflat, step, n, noise=(), dcontext=None):
    """The same; its gradient goes into dflat (P,), and a flow's gradient of the context into dcontext, (C, n), where it is given."""
    xp, n_blocks = array_module(flat), step.n_blocks(n)
    with (memory.borrow(Batch, xp, flat.dtype, n, n_blocks) as batch,
          memory.borrow(Partial, xp, flat.dtype, n_blocks, flat.size) as partial):
        step.gradient(flat, batch.rows, batch.cursor, noise, partial.grads, batch.losses, *(() if dcontext is None else (dcontext,)))
        xp.sum(partial.grads[0], axis=0, out=dflat)
        return batch.losses.sum()
