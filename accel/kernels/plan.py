"""How a kernel is launched, and the words that all launchers and kernels use for it.

    sample      one column of a block's work; arrays in shared memory are [row][sample]
    tile        the samples that a block of threads takes together; a block may take several tiles in turn
    pitch       numbers from one row to the next: a tile and a padding, so that rows start in different banks
    stage       copy parameters from global to shared memory, with the layout in which the block reads them
    resident    all parameters are staged when a block starts, and stay; otherwise they are staged in parts,
                or read through the cache
    model       one of E that are trained side by side, each by its own blocks: blockIdx.y
    cursor      the number of the current minibatch, in device memory: a captured launch can be replayed
    partial     each block's share of a gradient, `losses` its share of a loss: summed later in a fixed order
"""
from typing import NamedTuple

__all__ = ["LaunchPlan"]


class LaunchPlan(NamedTuple):
    """The geometry of one launch.

    Attributes
    ----------
    tile : int
        Samples that a block takes together.
    threads : int
        Threads of a block.
    blocks : int
        Blocks for each model.
    shared : int
        Bytes of dynamic shared memory of a block.
    resident : bool
        Whether all parameters stay in that memory.
    """
    tile: int
    threads: int
    blocks: int
    shared: int
    resident: bool = True
