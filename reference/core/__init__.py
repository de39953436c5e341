"""The pieces that every algorithm stands on."""

from reference.core import checks, nets, optim, persistence, priors, scaling, training, tree

__all__ = ["checks", "nets", "optim", "persistence", "priors", "scaling", "training", "tree"]
