"""From simulations to a posterior."""
from accel.inference import ensemble, npe

__all__ = ["ensemble", "npe"]
