"""Diptych, left panel: plain NumPy in float64, gradients from autograd, one page per algorithm.

    representation  dimensionality reduction
    density         density estimation
    generative      generative models
    inference       simulation-based inference
    validation      whether to trust a posterior
    simulators      simulators with a prior
    priors          priors, and the unconstrained space of each
    nets            layers of networks
    training        optimiser and training loops
    preprocessing   what is done to data first
    numerics        numerical tools
    runtime         checks, files, progress, trees of parameters
"""
from reference.runtime import _threads  # noqa: F401  (gradients from several threads)
from reference import (
    density, generative, inference, nets, numerics, preprocessing, priors, representation, runtime,
    simulators, training, validation,
)

__all__ = [
    "density", "generative", "inference", "nets", "numerics", "preprocessing", "priors",
    "representation", "runtime", "simulators", "training", "validation",
]
__version__ = "0.1.0"
