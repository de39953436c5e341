"""RealNVP: density, samples and gradients, all couplings in one launch."""
