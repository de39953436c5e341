"""Where the suite finds what it names itself; `tests.agreement.public` finds everything else."""
import importlib

import accel
import reference
from accel import device
from accel import priors as accel_priors
from accel.runtime import tree as accel_tree
from reference import priors as reference_priors
from reference.runtime import tree as reference_tree

__all__ = ["AUTOGRAD", "PACKAGES", "PRIORS", "TREE", "device", "module"]

PACKAGES = {"reference": reference, "accel": accel}
TREE = {"reference": reference_tree, "accel": accel_tree}
PRIORS = {"reference": reference_priors, "accel": accel_priors}
AUTOGRAD = "nets.gradient_penalty"                             # the page whose gradient is of second order
MODULES = {"nets": "nets.dense", "optim": "training.optim", "training": "training.minibatch"}


def module(package, name):
    """A module by its dotted name, or by the short name of a piece, in the package of that name."""
    return importlib.import_module(f"{package}.{MODULES.get(name, name)}")
