"""Exact densities that can be sampled."""
from reference.density import made, maf

__all__ = ["made", "maf"]
