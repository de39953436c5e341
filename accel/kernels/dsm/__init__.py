"""Denoising score matching: the loss and its gradient, for models side by side."""
