"""One call of a page's loss through its fused step: all rows are the one batch of one model.

The protocol of a fused step is in `kernels.training`. Row numbers, the cursor and what the blocks write are kept with the packed
parameters; the blocks' shares of the gradient are summed in a fixed order.
"""
import numpy as np

from accel.device import array_module

__all__ = ["loss", "write_grads"]


def loss(params, step, n, noise=()):
    """The mean loss of the n rows that the step was made for."""
    rows, cursor, losses = _batch(params, step, n)
    step.loss(params.flat, rows, cursor, noise, losses)
    return losses.sum()


def write_grads(params, grads, step, n, noise=(), dcontext=None):
    """The same; its gradient goes into grads, packed, and a flow's gradient of the context into dcontext, (C, n), where it is given."""
    rows, cursor, losses = _batch(params, step, n)
    xp, shape = array_module(params.flat), (*losses.shape, params.flat.size)
    partial = params.scratch("partial", lambda: xp.empty(shape, params.flat.dtype), size=shape)
    step.gradient(params.flat, rows, cursor, noise, partial, losses, *(() if dcontext is None else (dcontext,)))
    xp.sum(partial[0], axis=0, out=grads.flat)
    return losses.sum()


def _batch(params, step, n):
    """All rows in their order, a cursor that stands at them, and where the blocks write their shares of the loss."""
    xp, size = array_module(params.flat), (n, step.n_blocks(n))

    def make():
        return xp.arange(n, dtype=np.int32).reshape(1, 1, n), xp.zeros(1, np.int32), xp.empty((1, size[1]), params.flat.dtype)
    return params.scratch("batch", make, size=size)
