"""Models that generate: from noise to data."""

from accel.generative import anomaly, elbo, gan, langevin, likelihoods, score_matching, vae, wgan

__all__ = ["anomaly", "elbo", "gan", "langevin", "likelihoods", "score_matching", "vae", "wgan"]
