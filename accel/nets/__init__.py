"""Networks: layers with hand-derived gradients in accel.

Reading order:

    dense             affine layers and activations; start here
    conv              convolutions
    gradient_penalty  second-order gradient of a network's slope
    fitted            networks fitted to scaled data, and their files
"""
from accel.nets import conv, dense, fitted, gradient_penalty

__all__ = ["conv", "dense", "fitted", "gradient_penalty"]
