"""Where the suite finds what it names itself; everything else it discovers through `tests.agreement.public`."""
import importlib

import accel
import reference
from accel import device
from accel.core import priors as accel_priors
from accel.core import tree as accel_tree
from reference.core import priors as reference_priors
from reference.core import tree as reference_tree

__all__ = ["AUTOGRAD", "PACKAGES", "PRIORS", "TREE", "device", "module"]

PACKAGES = {"reference": reference, "accel": accel}
TREE = {"reference": reference_tree, "accel": accel_tree}
PRIORS = {"reference": reference_priors, "accel": accel_priors}
AUTOGRAD = "core.gradient_penalty"                             # the page whose gradient is of second order
MODULES = {"optim": "core.optim", "training": "core.training", "scaling": "core.scaling", "regression": "core.regression",
           "support": "core.support", "nets": "core.nets", "counter": "core.counter", "gradient_penalty": "core.gradient_penalty"}


def module(package, name):
    """A module by its dotted name, or by the short name of a piece, in the package of that name."""
    return importlib.import_module(f"{package}.{MODULES.get(name, name)}")
