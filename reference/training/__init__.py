"""Training: optimiser and training loops.

Reading order:

    optim        Adam, schedules, clipping; start here
    minibatch    the training loop
    adversarial  the training loop of two opponents
"""
from reference.training import adversarial, minibatch, optim

__all__ = ["adversarial", "minibatch", "optim"]
