"""Exact densities that can be sampled."""
from accel.density import gmm, made, maf, nsf, realnvp

__all__ = ["gmm", "made", "maf", "nsf", "realnvp"]
