"""Models that generate: from noise to data."""

__all__ = []
