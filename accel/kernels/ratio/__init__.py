"""The classifier of `inference.ratio`.

    launch  its logits, losses and gradients; ratio.cu
"""
