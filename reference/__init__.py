"""Diptych, left panel: what is true. Plain NumPy in float64, gradients from autograd, one page per algorithm."""
from reference import core, density, generative, inference, representation, simulators, validation

__all__ = ["core", "density", "generative", "inference", "representation", "simulators", "validation"]
__version__ = "0.1.0"
