"""Generative models: draw new samples that look like the data.

Reading order:

    likelihoods     what the outputs of a decoder mean
    elbo            evidence lower bound; start here
    vae             variational autoencoder
    gan             generative adversarial network
    wgan            Wasserstein GAN with gradient penalty
    anomaly         anomaly score of a GAN
    score_matching  denoising score matching at many noise levels
    langevin        sampling along a score: plain, annealed, Metropolis-adjusted
"""
from reference.generative import anomaly, elbo, gan, langevin, likelihoods, score_matching, vae, wgan

__all__ = ["anomaly", "elbo", "gan", "langevin", "likelihoods", "score_matching", "vae", "wgan"]
