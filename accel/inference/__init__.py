"""From simulations to a posterior."""
from accel.inference import ensemble, npe, rejection_abc

__all__ = ["ensemble", "npe", "rejection_abc"]
