"""From simulations to a posterior."""
from accel.inference import chains, ensemble, hmc, importance, mcmc, nle, npe, nre, ratio, rejection_abc, slice_sampler

__all__ = ["chains", "ensemble", "hmc", "importance", "mcmc", "nle", "npe", "nre", "ratio", "rejection_abc",
           "slice_sampler"]
