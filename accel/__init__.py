"""Diptych, right panel: the same API on device arrays, with gradients derived by hand.

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
    device          array module, choice of device, transfers
    generators      random generators
    memory          work arrays, borrowed for one call by one thread
    kernels         CUDA kernels, one folder each
"""
from accel import (
    density, device, generative, generators, inference, kernels, memory, nets, numerics,
    preprocessing, priors,
    representation, runtime, simulators, training, validation,
)

for _name in ("generator", "shared_generator"):                       # device.generator was its name in 0.1
    setattr(device, _name, getattr(generators, _name))

__all__ = [
    "density", "device", "generative", "generators", "inference", "kernels", "memory",
    "nets", "numerics", "preprocessing",
    "priors", "representation", "runtime", "simulators", "training", "validation",
]
__version__ = "0.1.0"
