from tests.agreement.cases.priors._every_prior import register


def make(on):
    return on.package.priors.Dirichlet([0.4, 2.2, 1.0, 5.3])


def inside(paint, n):
    return paint.dirichlet([2.0, 3.0, 1.5, 2.5], n)


register("dirichlet.Dirichlet", make, inside)
