"""The pieces that every algorithm stands on."""

from accel.core import checks, conv, nets, optim, persistence, priors, progress, regression, scaling, simulation, training, tree

__all__ = ["checks", "conv", "nets", "optim", "persistence", "priors", "progress", "regression",
           "scaling", "simulation", "training", "tree"]
