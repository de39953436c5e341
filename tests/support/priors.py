"""One prior of each class, and what the tests of priors share."""
import numpy as np
import pytest

import accel
import reference
from reference import priors

__all__ = ["ALL", "BOTH", "BOX", "DIRICHLET", "EACH", "LOG_NORMAL", "NORMAL", "PRODUCT", "free_columns",
           "in_package", "refuses"]

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])

BOX = priors.BoxUniform([-1.3, 0.1], [2.1, 0.7])
NORMAL = priors.Normal([0.1, -2.3], [0.3, 4.1])
LOG_NORMAL = priors.LogNormal([-0.9, 0.1], [0.5, 1.1])
DIRICHLET = priors.Dirichlet([0.7, 2.2, 1.4, 5.3])
PRODUCT = priors.Independent([DIRICHLET, BOX, LOG_NORMAL, NORMAL])
ALL = {"box": BOX, "normal": NORMAL, "log-normal": LOG_NORMAL, "dirichlet": DIRICHLET, "product": PRODUCT}
EACH = pytest.mark.parametrize("prior", ALL.values(), ids=ALL)


def in_package(package, prior):
    """The prior as one of the package's."""
    return package.priors.restore(priors.describe(prior))


def free_columns(prior):
    """The columns of θ that are coordinates: all but the last of each simplex."""
    if isinstance(prior, priors.Independent):
        starts = np.cumsum([0] + [part.dim for part in prior.parts])
        return np.concatenate([start + free_columns(part) for part, start in zip(prior.parts, starts)])
    return np.arange(prior.unconstrained_dim)


def refuses(*cases):
    """A decorator for a test of bad input: (make(priors), message) in both packages."""
    def decorate(test):
        return BOTH(pytest.mark.parametrize(("make", "message"), cases)(test))
    return decorate
