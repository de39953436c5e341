import numpy as np

from tests.agreement.cases.priors import box_uniform, dirichlet, log_normal
from tests.agreement.cases.priors._every_prior import register

PARTS = (dirichlet, box_uniform, log_normal)


def make(on):
    return on.package.priors.Independent([part.make(on) for part in PARTS])


def inside(paint, n):
    return np.hstack([part.inside(paint, n) for part in PARTS])


register("independent.Independent", make, inside)
