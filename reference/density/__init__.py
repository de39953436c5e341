"""Exact densities that can be sampled."""
from reference.density import flows, gmm, made, maf, mdn, mixture_score, nsf, pixel_flow, pixels, realnvp

__all__ = ["flows", "gmm", "made", "maf", "mdn", "mixture_score", "nsf", "pixel_flow", "pixels", "realnvp"]
