"""The state of the stand-in's one device: what it was made to do, and what a capturing stream has recorded.

A kernel launched while a stream captures is recorded and not executed. The stand-in must run it to learn the
shapes of its results; nobody can look at the numbers, because a synchronisation or a transfer is refused
meanwhile, and when the capture ends everything is undone: what was written into is as before, new buffers
hold garbage. Each launch of the graph replays the kernels on the same buffers. A launch on another stream,
which CuPy would execute at once and leave out of the graph, is refused.
"""
import contextlib
import functools

import numpy as np

from tests.strict_cupy.manifest import StrictError

__all__ = ["Device", "device", "counted", "host_arrays", "leaves", "poison"]


class Device:
    """Counts of what costs time on a GPU (kernel launches, synchronisations, uploads, float32 that became
    float64; of the launches those of kernels of our own, and the bytes of the arrays these were given), and
    the capturing stream with its tape."""

    def __init__(self):
        self.counts = {"launch": 0, "sync": 0, "upload": 0, "upcast": 0, "kernel": 0, "bytes": 0}
        self.streams, self.capturing = [], None  # entered with `with`, innermost last; the one that captures
        self.tape, self.undo = [], []  # what a launch of the graph does; what the end of the capture does
        self.solver_errors = "ignore"                          # cupyx.errstate(linalg=...)

    def sync(self):
        self._touch_host("sync")

    def upload(self):
        self._touch_host("upload")

    def _touch_host(self, kind):
        self.counts[kind] += 1
        if self.capturing is not None:
            raise RuntimeError(
                "the current stream is capturing, so synchronous API calls and transfers are disallowed")

    def library_call(self, name):
        """cuBLAS, cuSOLVER and cuRAND are refused while capturing."""
        if self.capturing is not None:
            raise NotImplementedError(
                f"{name}: calling a CUDA library during stream capture is currently unsupported")

    def launch(self, compute, inputs=(), targets=()):
        """The host arrays that compute() returns, run now or recorded.

        A result that shares memory with an input is a view and costs nothing. `targets` are the arrays that
        compute writes into; every other result is a fresh buffer, which a recorded kernel fills again at each
        replay.
        """
        if self.capturing:
            self._keep(targets)
        result = _run(compute)
        fresh = [not any(np.may_share_memory(leaf, known) for known in (*inputs, *targets))
                 for leaf in leaves(result)]
        if not (targets or any(fresh)):
            return result
        self.counts["launch"] += 1
        if self.capturing:
            if self.capturing not in self.streams[-1:]:
                raise StrictError(
                    "a kernel launched on another stream than the capturing one runs at once and is not in "
                    "the graph")
            outputs = [leaf for leaf, is_fresh in zip(leaves(result), fresh) if is_fresh]
            self.undo.extend(functools.partial(poison, output) for output in outputs)
            self.tape.append(lambda: _refill(result, fresh, _run(compute)))
        return result

    def _keep(self, targets):
        self.undo.extend(functools.partial(np.copyto, target, target.copy()) for target in targets)

    def begin_capture(self, stream):
        if self.capturing is not None:
            raise RuntimeError("a stream is capturing already")
        self.capturing, self.tape, self.undo = stream, [], []

    def end_capture(self, stream):
        """The tape of what the stream recorded."""
        if self.capturing is not stream:
            raise RuntimeError("this stream is not capturing")
        self.capturing = None
        for undo in reversed(self.undo):
            undo()
        return self.tape


device = Device()


@contextlib.contextmanager
def counted():
    """A dict that holds, after the block, how often each thing happened inside it."""
    before, spent = dict(device.counts), {}
    yield spent
    spent.update({kind: count - before[kind] for kind, count in device.counts.items()})


def poison(array):
    """Fill a host buffer with what uninitialised memory may hold at worst."""
    array.fill(np.nan if array.dtype.kind in "fc" else 77)


def host_arrays(result):
    """The result with every number as a 0-d array, as a device returns it."""
    if isinstance(result, (tuple, list)):
        items = [host_arrays(item) for item in result]
        return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
    return np.asarray(result) if isinstance(result, (np.generic, bool, int, float, complex)) else result


def leaves(result):
    """The arrays of a result, in order."""
    if isinstance(result, (tuple, list)):
        return [leaf for item in result for leaf in leaves(item)]
    return [result] if isinstance(result, np.ndarray) else []


def _run(compute):
    with np.errstate(all="ignore"):                            # a GPU warns of nothing
        return host_arrays(compute())


def _refill(result, fresh, again):
    for old, is_fresh, new in zip(leaves(result), fresh, leaves(again)):
        if is_fresh:
            np.copyto(old, new)
