"""Exact densities that can be sampled."""
from accel.density import made, maf

__all__ = ["made", "maf"]
