"""Generative models: draw new samples that look like the data.

Reading order:

    likelihoods     what the outputs of a decoder mean
    elbo            evidence lower bound; start here
    vae             variational autoencoder
    vae_model       a fitted one
    generator       noise to samples: what GANs share
    gan             generative adversarial network
    wgan            Wasserstein GAN with gradient penalty
    gan_model       fitted GANs
    anomaly         anomaly score of a GAN
    score_matching  denoising score matching at many noise levels
    langevin        sampling along a score: plain, annealed, Metropolis-adjusted
"""
from reference.generative import (
    anomaly, elbo, gan, gan_model, generator, langevin, likelihoods, score_matching, vae, vae_model, wgan,
)

__all__ = [
    "anomaly", "elbo", "gan", "gan_model", "generator", "langevin", "likelihoods", "score_matching", "vae",
    "vae_model", "wgan",
]
