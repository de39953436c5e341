"""Langevin dynamics along the exact score of a Gaussian mixture, many steps in one launch."""
