"""Fewer numbers that keep what matters."""

from accel.representation import autoencoder, clusters, conv_autoencoder, pca

__all__ = ["autoencoder", "clusters", "conv_autoencoder", "pca"]
