"""Work arrays: borrowed for one call by one thread, given back, bounded.

    with memory.borrow(Work, xp, dtype, shapes, n) as work:
        ...

`work` is Work(xp, dtype, shapes, n), new or given back. It is ours alone until the block ends; its numbers
are unset.

What a block borrows is described by the function that makes it and by its arguments, which are hashable. No
other call can have the same object meanwhile: each thread has a pool of its own (on a device: each thread and
stream), and an object leaves the pool while it is borrowed, so that a nested call with the same description
gets another one. A pool keeps what was used last, LIMIT bytes at most; what is larger is freed at once. A
thread's pool goes with the thread.

Nothing that a public function returns may be a view of a work array.

Example
-------
>>> import numpy as np
>>> from accel import memory
>>> def make(xp, n):
...     return xp.empty(n)
>>> with memory.borrow(make, np, 3) as work:
...     work.shape
(3,)
"""
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from types import ModuleType
from typing import Any

from accel.device import current_place

__all__ = ["LIMIT", "borrow", "clear"]

LIMIT = 256 << 20


class _Pools(threading.local):
    """The pool of the current thread: what was given back, the last used last."""

    def __init__(self):
        self.free, self.n_bytes = OrderedDict(), 0


_pools = _Pools()


class borrow:
    """A context manager: make(xp, *description), for this thread alone while the block lasts."""
    __slots__ = ("key", "lent")

    def __init__(self, make: Callable, xp: ModuleType, *description: Hashable) -> None:
        self.key = (make, xp, current_place(xp), *description)

    def __enter__(self) -> Any:
        found = _pools.free.get(self.key)
        if found:
            self.lent = found.pop()
            _pools.n_bytes -= self.lent[1]
        else:
            make, xp, _, *description = self.key
            made = make(xp, *description)
            self.lent = made, _bytes_of(made, set())
        return self.lent[0]

    def __exit__(self, *error: Any) -> None:
        free = _pools.free
        if self.lent[1] > LIMIT:
            return
        free.setdefault(self.key, []).append(self.lent)
        free.move_to_end(self.key)
        _pools.n_bytes += self.lent[1]
        while _pools.n_bytes > LIMIT:
            oldest = next(iter(free))
            _pools.n_bytes -= sum(n for _, n in free.pop(oldest))


def clear() -> None:
    """Free what the current thread's pool keeps."""
    _pools.free.clear()
    _pools.n_bytes = 0


def _bytes_of(made, seen):
    """The bytes of all arrays that an object holds, each counted once; a view counts nothing beside what
    it is a view of.
    """
    if id(made) in seen:
        return 0
    seen.add(id(made))
    if hasattr(made, "nbytes"):
        return made.nbytes if made.base is None else 0
    if isinstance(made, dict):
        return sum(_bytes_of(value, seen) for value in made.values())
    if isinstance(made, (list, tuple)):
        return sum(_bytes_of(value, seen) for value in made)
    return _bytes_of(vars(made), seen) if hasattr(made, "__dict__") else 0
