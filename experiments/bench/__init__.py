"""Speed, measured: each module is one benchmark, run by `python -m experiments.bench`.

A benchmark is a module whose docstring opens with its title and which has `run(xp, quick)`: it checks that
the sides agree, times them on the device of the array module xp, and returns its rows, a list of dicts with
the same plain keys. A side that is not installed gets no row. `quick` shrinks it to seconds.
"""

__all__ = ["PIECES"]

PIECES = ("peers", "tables", "timing")        # modules that are no benchmarks
