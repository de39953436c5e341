"""Fewer numbers that keep what matters."""

from accel.representation import pca

__all__ = ["pca"]
