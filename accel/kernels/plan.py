"""How a kernel is launched, in words that all launchers share."""
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
        Whether all that the kernel reads again and again stays in that memory.
    """
    tile: int
    threads: int
    blocks: int
    shared: int
    resident: bool = True
