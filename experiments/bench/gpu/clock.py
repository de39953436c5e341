"""How a benchmark on a device times: every side in turn, each from an idle device to an idle device, and the
median of the rounds.

The first call of a side is its cold time: in it kernels are compiled, or read from CuPy's cache on disk,
graphs are captured, and JAX compiles; WARM calls follow that are not counted. A turn is then timed by the
wall clock between two synchronisations of the whole device, which is what a caller waits for and means the
same for every library, on whatever streams it works; and, where all of a side's work is on CuPy's current
stream, by CUDA events around it, which leave the wait for the last launch out.
"""
import gc
import time
from typing import NamedTuple

import numpy as np

__all__ = ["Taken", "measured", "rows", "seconds_on_device"]

FEWEST, MOST, WARM, SECONDS = 5, 50, 2, 1.0
UNITS = {"s": 1, "ms": 1e3, "µs": 1e6, "ns": 1e9}


class Taken(NamedTuple):
    """Seconds of a piece of work: the median, the least and the most of the rounds, the median by events (or
    None); the first call's."""
    median: float
    least: float
    most: float
    events: float | None
    cold: float
    rounds: int


def measured(xp, sides, *, quick=False, pieces=1, seconds=SECONDS, on_stream=()):
    """{side: Taken} for {side: function without arguments}.

    pieces is how many pieces of work a call does, a number or {side: number}; on_stream names the sides that
    events can time.
    """
    wait, cold = xp.cuda.Device().synchronize, {}
    for side, call in sides.items():
        cold[side] = _wall(call, wait)
        for _ in range(1 if quick else WARM):
            call()
        wait()
    rounds, walls, events = 0, {side: [] for side in sides}, {side: [] for side in on_stream}
    budget, begun = (0.0 if quick else seconds) * len(sides), time.perf_counter()
    while rounds < FEWEST or (time.perf_counter() - begun < budget and rounds < MOST):
        gc.collect(0)
        for side, call in sides.items():
            start, stop = xp.cuda.Event(), xp.cuda.Event()
            start.record()
            walls[side].append(_wall(lambda: (call(), stop.record()), wait))
            if side in events:
                events[side].append(1e-3 * xp.cuda.get_elapsed_time(start, stop))
        rounds += 1
    found = {}
    for side, taken in walls.items():
        n = pieces.get(side, 1) if isinstance(pieces, dict) else pieces
        by_events = float(np.median(events[side])) / n if side in events else None
        found[side] = Taken(float(np.median(taken)) / n, min(taken) / n, max(taken) / n, by_events,
                            cold[side], rounds)
    return found


def _wall(call, wait):
    wait()
    start = time.perf_counter()
    call()
    wait()
    return time.perf_counter() - start


def seconds_on_device(xp, call, *, times=1, rounds=FEWEST):
    """The least seconds of one of `times` calls by CUDA events: what the device can do at best."""
    call()
    found = []
    for _ in range(rounds):
        start, stop = xp.cuda.Event(), xp.cuda.Event()
        start.record()
        for _ in range(times):
            call()
        stop.record()
        stop.synchronize()
        found.append(1e-3 * xp.cuda.get_elapsed_time(start, stop) / times)
    return min(found)


def rows(work, taken, *, unit="ms", along=None, at=None, compared=None, target=None, counted=None,
         ceilings=None, notes=None):
    """One row for each side.

    counted is (operations, bytes) of a piece of work, whose rates are set against `ceilings`, what
    `ceilings.measure` found; target is what is asked of one side, {side: words}; compared and notes are
    {side: words}.
    """
    scale, found = UNITS[unit], []
    for side, t in taken.items():
        row = {"work": work, "side": side} | ({} if along is None else {"along": along, "at": at})
        row |= {f"time [{unit}]": _short(scale * t.median),
                "min–max": f"{scale * t.least:.3g}–{scale * t.most:.3g}", "rounds": t.rounds,
                "cold [s]": _short(t.cold)}
        if t.events is not None:
            row[f"events [{unit}]"] = _short(scale * t.events)
        if counted is not None:
            operations, n_bytes = counted
            row |= {"Mflop": _short(operations / 1e6), "MB": _short(n_bytes / 1e6)}
            if ceilings and side.startswith("ours, ") and side != "ours, CPU":
                row |= {"of the product rate": _short(operations / t.median / ceilings["product"]),
                        "of the copy rate": _short(n_bytes / t.median / ceilings["copy"])}
        found.append(row | {key: words[side]
                            for key, words in (("target", target), ("compared", compared), ("note", notes))
                            if words and side in words})
    return found


def _short(value):
    return float(f"{value:.4g}")
