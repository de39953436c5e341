"""From simulations to a posterior."""
from reference.inference import ensemble, npe

__all__ = ["ensemble", "npe"]
