"""Fewer numbers that keep what matters."""

from reference.representation import autoencoder, clusters, conv_autoencoder, pca

__all__ = ["autoencoder", "clusters", "conv_autoencoder", "pca"]
