"""From simulations to a posterior."""
from accel.inference import (
    catalogue, chains, ensemble, ensemble_sampler, hmc, importance, mcmc, nested_sampler, nle, npe, nre, ratio,
    rejection_abc, slice_sampler, standard,
)

__all__ = ["catalogue", "chains", "ensemble", "ensemble_sampler", "hmc", "importance", "mcmc", "nested_sampler", "nle", "npe",
           "nre", "ratio", "rejection_abc", "slice_sampler", "standard"]
