"""How a benchmark times: every side in turn, round after round, and the median of each.

A machine that is slow for a minute is then slow for all sides. What the sides compute is compared by the
benchmark before it times them.
"""
import gc
import time

import numpy as np

__all__ = ["interleaved", "against", "peak_memory"]

FEWEST, MOST, SECONDS = 5, 200, 1.0


def interleaved(steps, *, quick=False, wait=lambda: None, seconds=SECONDS, fewest=FEWEST, per_call=None):
    """Seconds of each call, {side: (median, least, most)}, and the number of rounds.

    steps is {side: function without arguments}; each is called once untimed. Rounds follow one another for
    `seconds` per side, but `fewest` at least and MOST at most. per_call is {side: how many pieces of work one
    call does}, 1 by default.
    """
    for step in steps.values():
        step()
        wait()
    taken, start = {side: [] for side in steps}, time.perf_counter()
    budget = (0.05 if quick else seconds) * len(steps)
    rounds = 0
    while rounds < fewest or (time.perf_counter() - start < budget and rounds < MOST):
        gc.collect(0)
        for side, step in steps.items():
            begun = time.perf_counter()
            step()
            wait()
            taken[side].append((time.perf_counter() - begun) / (per_call or {}).get(side, 1))
        rounds += 1
    return {side: (float(np.median(t)), min(t), max(t)) for side, t in taken.items()}, rounds


def against(work, taken, rounds, *, targets, compared, unit="ms"):
    """One row for each peer: the peer's time over ours, with the spread of both; taken["ours"] is ours.

    targets and compared are {peer: …}: what is asked of the ratio (None for nothing), and what was compared
    first.
    """
    scale = {"s": 1, "ms": 1e3, "µs": 1e6}[unit]
    ours, rows = taken["ours"], []
    for peer, theirs in taken.items():
        if peer != "ours":
            rows.append({"work": work, "peer": peer, "ratio": round(theirs[0] / ours[0], 2),
                         "target": targets.get(peer), f"ours [{unit}]": float(f"{scale * ours[0]:.4g}"),
                         f"peer [{unit}]": float(f"{scale * theirs[0]:.4g}"),
                         "ours min–max": spread(ours, scale), "peer min–max": spread(theirs, scale),
                         "rounds": rounds, "compared": compared[peer]})
    return rows


def spread(taken, scale):
    return f"{scale * taken[1]:.3g}–{scale * taken[2]:.3g}"


def peak_memory():
    """The peak resident size of this process so far, bytes (Linux; getrusage would count what the parent held
    when it forked)."""
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
