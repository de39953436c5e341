"""Diptych, right panel: how to get there fast. The same API on device arrays, gradients derived by hand."""
from accel import core, density, device, generative, inference, representation, simulators, validation

__all__ = ["core", "density", "device", "generative", "inference", "representation", "simulators", "validation"]
__version__ = "0.1.0"
