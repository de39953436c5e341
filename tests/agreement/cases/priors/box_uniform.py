from tests.agreement.cases.priors._every_prior import register

LOW, HIGH = [-1.3, 0.1, 30.0], [2.1, 0.7, 90.0]


def make(on):
    return on.package.priors.BoxUniform(LOW, HIGH)


def inside(paint, n):
    return paint.uniform(LOW, HIGH, (n, 3))


register("box_uniform.BoxUniform", make, inside)
