"""The pieces that every algorithm stands on."""

from reference.core import checks, conv, nets, optim, persistence, priors, progress, regression, scaling, simulation, training, tree

__all__ = ["checks", "conv", "nets", "optim", "persistence", "priors", "progress", "regression",
           "scaling", "simulation", "training", "tree"]
