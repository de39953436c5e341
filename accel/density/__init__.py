"""Exact densities that can be sampled."""
from accel.density import gmm, made, maf, nsf

__all__ = ["gmm", "made", "maf", "nsf"]
