"""What pages stand on that contains no mathematics: checks, files, progress, trees of parameters.

Reading order:

    tree         trees of parameters and their flat vector; start here
    checks       input checks of public functions
    protocols    types of arguments, and what pages expect of each other
    progress     progress bars
    persistence  saved objects
    philox       counter-based random numbers
    simulation   running a simulator in chunks
    rows         a table of results that a later call continues
    blas         one thread for small matrices
"""
from accel.runtime import blas, checks, persistence, philox, progress, protocols, rows, simulation, tree

__all__ = ["blas", "checks", "persistence", "philox", "progress", "protocols", "rows", "simulation", "tree"]
