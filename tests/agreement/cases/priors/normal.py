from tests.agreement.cases.priors._every_prior import register
from tests.agreement.registry import painted


def make(on):
    return on.package.priors.Normal([0.1, -2.3, 30.0], [0.3, 4.1, 7.0])


def inside(paint, n):
    return painted(paint, (n, 3)) * 5


register("normal.Normal", make, inside)
