"""Generative models: draw new samples that look like the data.

Reading order:

    likelihoods      what the outputs of a decoder mean
    elbo             evidence lower bound; start here
    vae              variational autoencoder
    vae_model        a fitted one as an object
    generator        noise to samples: what GANs share
    gan              generative adversarial network
    wgan             Wasserstein GAN with gradient penalty
    gan_model        fitted GANs as objects
    anomaly          anomaly score of a GAN
    score_matching   denoising score matching at many noise levels
    score_network    the network that is the score
    score_model      a fitted score as an object
    langevin         sampling along a score, plain and annealed
    mala             Metropolis-adjusted Langevin
    langevin_chains  what the two samplers share
"""
from accel.generative import (
    anomaly, elbo, gan, gan_model, generator, langevin, langevin_chains, likelihoods, mala,
    score_matching, score_model, score_network, vae, vae_model, wgan,
)

__all__ = [
    "anomaly", "elbo", "gan", "gan_model", "generator", "langevin", "langevin_chains", "likelihoods",
    "mala", "score_matching", "score_model", "score_network", "vae", "vae_model", "wgan",
]
