"""Exact densities that can be sampled."""
from reference.density import made, maf, nsf, realnvp

__all__ = ["made", "maf", "nsf", "realnvp"]
