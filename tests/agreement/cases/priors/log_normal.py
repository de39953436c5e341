from tests.agreement.cases.priors._every_prior import register


def make(on):
    return on.package.priors.LogNormal([-0.9, 0.1, 2.0], [0.5, 1.7, 0.2])


def inside(paint, n):
    return paint.uniform(0.05, 9.0, (n, 3))


register("log_normal.LogNormal", make, inside)
