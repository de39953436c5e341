"""Masked autoregressive flows: density, samples and gradients, all transforms in one launch."""
