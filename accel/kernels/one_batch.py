"""One call of a model's loss through its training step: all rows are the one batch of one model.

`kernels.training` describes a training step. Row numbers, the cursor and what the blocks write are borrowed
for the call; the blocks' shares of the gradient are summed in a fixed order.
"""
import numpy as np

from accel import memory
from accel.device import array_module

__all__ = ["loss", "write_grads"]


class Batch:
    """All rows in their order, a cursor at the only batch, and the blocks' shares of the loss."""

    def __init__(self, xp, dtype, n, n_blocks):
        self.rows, self.cursor = xp.arange(n, dtype=np.int32).reshape(1, 1, n), xp.zeros(1, np.int32)
        self.losses = xp.empty((1, n_blocks), dtype)


class Partial:
    """The blocks' shares of the gradient."""

    def __init__(self, xp, dtype, n_blocks, n_params):
        self.grads = xp.empty((1, n_blocks, n_params), dtype)


def loss(flat, step, n, noise=()):
    """The mean loss of the n rows that the step was made for, at the parameters flat (P,)."""
    with memory.borrow(Batch, array_module(flat), flat.dtype, n, step.n_blocks(n)) as batch:
        step.loss(flat, batch.rows, batch.cursor, noise, batch.losses)
        return batch.losses.sum()


def write_grads(flat, dflat, step, n, noise=(), dcontext=None):
    """The loss; its gradient goes into dflat (P,), that of a flow's context into dcontext (C, n)."""
    xp, n_blocks = array_module(flat), step.n_blocks(n)
    with (memory.borrow(Batch, xp, flat.dtype, n, n_blocks) as batch,
          memory.borrow(Partial, xp, flat.dtype, n_blocks, flat.size) as partial):
        more = () if dcontext is None else (dcontext,)
        step.gradient(flat, batch.rows, batch.cursor, noise, partial.grads, batch.losses, *more)
        xp.sum(partial.grads[0], axis=0, out=dflat)
        return batch.losses.sum()
