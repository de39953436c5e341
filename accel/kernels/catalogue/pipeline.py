"""Chunks of a host table through a device: one is computed while the next is uploaded, the last downloaded.

    upload      x of chunk k+1, from pinned memory          ┐
    compute     chunk k                                     ├ three streams, ordered by events
    download    results of chunk k−1, into pinned memory    ┘

Two slots hold all buffers, so that memory does not grow with the table. A slot keeps a chunk's results until
they are on the host, so that the memory pool cannot give their memory to others before.
"""
import collections
import contextlib
import warnings

__all__ = ["run"]


def run(xp, rows, width, dtype, chunk, first, object_bytes, stage, compute, settle, bar):
    """Fill rows from where they stand, `chunk` objects at a time, or fewer if the device has no room.

    stage(start, stop, out) puts objects on the host into out, (m, width), and returns their flags; compute(x,
    first) returns {field: (m, …)} on the device; settle(fields, flag) gets the same on the host and returns
    what is to be written.
    """
    xp.cuda.get_current_stream().synchronize()                        # what made the posterior is finished
    while rows.done < rows.n:
        try:
            flow(xp, rows, width, dtype, chunk, first, stage, compute, settle, bar)
        except MemoryError as error:                                  # CuPy's OutOfMemoryError is one
            full = (f"{chunk} objects at a time do not fit the device: their draws alone take "
                    f"{chunk * object_bytes:,} bytes ({error})")
            if chunk == 1:
                raise MemoryError(f"{full}; lower n_samples") from None
            warnings.warn(f"{full}; going on with chunk_size={chunk // 2}", stacklevel=4)
            chunk //= 2
        xp.get_default_memory_pool().free_all_blocks()
        xp.get_default_pinned_memory_pool().free_all_blocks()


class Slot:
    """Buffers for one chunk."""

    def __init__(self, xp, size, width, dtype):
        from cupyx import empty_pinned
        self.x_host, self.x = empty_pinned((size, width), dtype), xp.empty((size, width), dtype)
        self.home = {}

    def room(self, name, like):
        """Pinned memory for a field of this chunk."""
        from cupyx import empty_pinned
        if name not in self.home:
            self.home[name] = empty_pinned((len(self.x), *like.shape[1:]), like.dtype)
        return self.home[name][:len(like)]


def flow(xp, rows, width, dtype, chunk, first, stage, compute, settle, bar):
    """Chunk after chunk until all rows are written. If it ends early, chunks under way are still written."""
    upload, work, download = (xp.cuda.Stream(non_blocking=True) for _ in range(3))
    chunk = min(chunk, rows.n - rows.done)
    free, waiting = [Slot(xp, chunk, width, dtype) for _ in range(2)], collections.deque()

    def send(slot, start, stop):
        slot.start, slot.flag = start, stage(start, stop, slot.x_host[:stop - start])
        x = slot.x[:stop - start]
        x.set(slot.x_host[:stop - start], stream=upload)
        work.wait_event(upload.record())
        with work:
            found = compute(x, first + start)
            slot.found = {name: xp.ascontiguousarray(field) for name, field in found.items()}
        download.wait_event(work.record())
        slot.came = {name: field.get(stream=download, out=slot.room(name, field), blocking=False)
                     for name, field in slot.found.items()}
        slot.home_at = download.record()

    def receive():
        slot = waiting[0]
        slot.home_at.synchronize()
        if slot.start == rows.done:
            rows.write(settle(slot.came, slot.flag))
            bar.update(len(slot.flag))
        slot.found = slot.came = None
        free.append(waiting.popleft())

    start = rows.done
    try:
        while start < rows.n:
            if not free:
                receive()
            stop = min(start + chunk, rows.n)
            send(free[0], start, stop)
            waiting.append(free.pop(0))
            start = stop
        while waiting:
            receive()
    except BaseException:
        with contextlib.suppress(Exception):
            for stream in (upload, work):
                stream.synchronize()
            while waiting:
                receive()
        raise
