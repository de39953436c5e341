"""Exact densities that can be sampled."""
from accel.density import made, maf, nsf

__all__ = ["made", "maf", "nsf"]
