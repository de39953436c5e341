"""Exact densities that can be sampled."""
from reference.density import gmm, made, maf, nsf, realnvp

__all__ = ["gmm", "made", "maf", "nsf", "realnvp"]
