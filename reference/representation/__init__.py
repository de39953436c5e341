"""Fewer numbers that keep what matters."""

from reference.representation import autoencoder, conv_autoencoder, pca

__all__ = ["autoencoder", "conv_autoencoder", "pca"]
