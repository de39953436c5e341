"""Exact densities that can be sampled."""
