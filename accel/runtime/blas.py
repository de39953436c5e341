"""One BLAS thread while a block runs: small matrices gain nothing from more, and lose on a busy machine.

A process has one number of BLAS threads, so the limit also holds for what other threads compute meanwhile. Of
blocks that overlap in several threads only the first sets it, and gives the former number back when it ends;
a later one that saved and restored the number, too, would leave the process with one thread for good. Without
threadpoolctl (extra `test` or `experiments`) a block changes nothing.

Example
-------
>>> import numpy as np
>>> from accel.runtime import blas
>>> with blas.single_thread():
...     print(np.ones((2, 3)) @ np.ones(3))
[3. 3.]
"""
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = []
SHARED = ["single_thread"]
__all__ += SHARED

taken = threading.Lock()                                              # while some block holds the limit


@contextmanager
def single_thread() -> Iterator[None]:
    """A block in which BLAS has one thread; see above."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    if not taken.acquire(blocking=False):
        yield
        return
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        taken.release()
