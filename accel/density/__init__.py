"""Exact densities that can be sampled."""
from accel.density import made, maf, nsf, realnvp

__all__ = ["made", "maf", "nsf", "realnvp"]
