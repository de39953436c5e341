"""Speed on a device: each module is one benchmark, run by `python -m experiments.bench run NAME --device
cuda`.

As in `experiments.bench`, a benchmark is a module whose docstring opens with its title and which has `run(xp,
quick)`: it checks that the sides agree, times them, and returns its rows. The sides are our CPU engine (one
core), our array code on the device, our fused kernels, and torch and JAX on the same device with the same
weights; one that is not installed gets no row. Each takes a minute or two.
"""

__all__ = ["PIECES"]

PIECES = ("clock", "frameworks", "ours", "tables")        # modules that are no benchmarks
