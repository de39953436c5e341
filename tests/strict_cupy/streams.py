"""cupy.cuda as far as a captured graph needs it: streams, events, graphs, memory pools that do nothing, and
one device."""
import contextlib
import time
import types

from tests.strict_cupy.capture import device

__all__ = ["Device", "Event", "Graph", "MemoryPool", "Stream", "get_current_stream", "get_elapsed_time",
           "is_available", "nvrtc", "runtime", "using_allocator"]


MEMORY = 141 * 10**9


class Graph:
    """What a stream recorded; every launch replays it on the same buffers."""

    def __init__(self, tape):
        self._tape = tape

    def launch(self, stream=None):
        if device.capturing is not None:
            raise RuntimeError("a graph cannot be launched while a stream captures")
        device.counts["launch"] += 1
        for replay in self._tape:
            replay()

    def upload(self, stream=None):
        pass


class Stream:
    """A CUDA stream. The stand-in executes at once, so that order never matters; it only tells who is
    capturing."""

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.is_null, self.is_non_blocking, self.priority = null, non_blocking, priority
        self.ptr = 0 if null else id(self)

    def __enter__(self):
        device.streams.append(self)
        return self

    def __exit__(self, *error):
        device.streams.remove(self)

    def synchronize(self):
        device.sync()

    @property
    def done(self):
        device.sync()
        return True

    def record(self, event=None):
        return event or Event()

    def wait_event(self, event):
        pass

    def is_capturing(self):
        return device.capturing is self

    def begin_capture(self, mode=None):
        if self.is_null:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        device.begin_capture(self)

    def end_capture(self):
        return Graph(device.end_capture(self))


Stream.null = Stream(null=True)


class Event:
    """A moment on a stream: by the wall clock, since the stand-in executes at once."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.done, self._timed, self._at = True, not disable_timing, None

    def record(self, stream=None):
        self._at = time.perf_counter()

    def synchronize(self):
        device.sync()


def get_elapsed_time(start_event, end_event):
    """Milliseconds from one event to the other, both of which were recorded and keep time."""
    if None in (start_event._at, end_event._at) or not (start_event._timed and end_event._timed):
        raise runtime.CUDARuntimeError("cudaErrorInvalidResourceHandle: invalid resource handle")
    return 1e3 * (end_event._at - start_event._at)


class Device:
    """The one device, with the limits of an H200."""
    attributes = {"MaxSharedMemoryPerBlockOptin": 227 << 10, "MaxSharedMemoryPerMultiprocessor": 228 << 10,
                  "MultiProcessorCount": 132, "ComputeCapabilityMajor": 9, "ComputeCapabilityMinor": 0}

    mem_info = property(lambda self: (MEMORY, MEMORY))

    def __init__(self, number=0):
        self.id = number

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def synchronize(self):
        device.sync()


class MemoryPool:
    def malloc(self, size):
        raise NotImplementedError("the stand-in's arrays own their memory")

    def used_bytes(self):
        return 0

    def total_bytes(self):
        return 0

    def free_all_blocks(self, stream=None):
        pass


@contextlib.contextmanager
def using_allocator(allocator=None):
    yield


def get_current_stream(device_id=None):
    return device.streams[-1] if device.streams else Stream.null


def is_available():
    """False: a program that looks for a GPU must not find the stand-in; only who installed it computes on
    it."""
    return False


PROPERTIES = {"name": b"strict stand-in", "multiProcessorCount": 132, "totalGlobalMem": MEMORY, "major": 9,
              "minor": 0}
runtime = types.SimpleNamespace(getDeviceCount=lambda: 0, driverGetVersion=lambda: 0,
                                runtimeGetVersion=lambda: 13000, getDevice=lambda: 0,
                                getDeviceProperties=lambda device: PROPERTIES,
                                memGetInfo=lambda: (MEMORY, MEMORY),
                                CUDARuntimeError=type("CUDARuntimeError", (RuntimeError,), {}))
nvrtc = types.SimpleNamespace(getVersion=lambda: (13, 0))
