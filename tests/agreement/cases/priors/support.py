from tests.agreement.cases.priors import box_uniform, dirichlet
from tests.agreement.cases.priors._every_prior import beyond
from tests.agreement.registry import case, error_of


@case("priors.support.check_inside", sizes=(7, 31))
def _(on, paint, n):
    check, prior = on.package.priors.check_inside, dirichlet.make(on)
    good, bad = on.put(dirichlet.inside(paint, n)), on.put(beyond(dirichlet.inside(paint, n)))
    check("theta", prior, good)
    return error_of(check, "theta", prior, bad)


@case("priors.support.unconstrained_inside", sizes=(1, 7, 31), terms=200)
def _(on, paint, n):
    theta = on.put(beyond(box_uniform.inside(paint, n)))
    return on.package.priors.unconstrained_inside(box_uniform.make(on), theta)
