"""The classifier of a likelihood-to-evidence ratio: its logits, its loss and the gradient."""
