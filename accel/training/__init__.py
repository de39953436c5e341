"""Training: optimiser and training loops.

Reading order:

    optim        Adam, schedules, clipping; start here
    minibatch    the training loop
    adversarial  the training loop of two opponents
    checkpoint   the state of a run in a file
    inputs       what both loops check, and the error of a loss that is not finite
"""
from accel.training import adversarial, checkpoint, inputs, minibatch, optim

__all__ = ["adversarial", "checkpoint", "inputs", "minibatch", "optim"]
