"""Fewer numbers that keep what matters."""

from reference.representation import pca

__all__ = ["pca"]
