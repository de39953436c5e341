"""Dimensionality reduction: few numbers that keep what matters in the data.

Reading order:

    pca               principal components: the best linear map; start here
    clusters          how well clusters of a representation match known classes
    autoencoder       a dense network with a bottleneck
    conv_autoencoder  the same for images
"""
from reference.representation import autoencoder, clusters, conv_autoencoder, pca

__all__ = ["autoencoder", "clusters", "conv_autoencoder", "pca"]
