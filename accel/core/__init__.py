"""The pieces that every algorithm stands on."""

from accel.core import (adversarial, checks, conv, counter, gradient_penalty, nets, optim, persistence, priors, progress,
                        regression, scaling, simulation, support, training, tree)

__all__ = ["adversarial", "checks", "conv", "counter", "gradient_penalty", "nets", "optim", "persistence", "priors", "progress",
           "regression", "scaling", "simulation", "support", "training", "tree"]
