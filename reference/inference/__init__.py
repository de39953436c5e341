"""From simulations to a posterior."""
from reference.inference import ensemble, npe, rejection_abc

__all__ = ["ensemble", "npe", "rejection_abc"]
