"""Langevin dynamics along a score network, many steps in one launch."""
