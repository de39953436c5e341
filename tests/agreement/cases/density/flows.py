import numpy as np

from tests.agreement.registry import case, error_of, painted


@case("density.flows.check_inputs", sizes=(1, 7))
def _(on, paint, n):
    check = on.package.density.flows.check_inputs
    x, context = on.put(painted(paint, (n, 3))), on.put(painted(paint, (n, 2)))
    bad = [(x, context, 2, 2), (x, None, 3, 2), (x, context, 3, 0), (x, context, 3, 1),
           (x, on.put(np.zeros((n + 1, 2))), 3, 2)]
    return check(x, context, 3, 2), check(x, None, 3, 0), [error_of(check, *arguments) for arguments in bad]


@case("density.flows.draw_base", sizes=(1, 7))
def _(on, paint, n):
    draw, context = on.package.density.flows.draw_base, on.put(painted(paint, (4, 2)))
    bad = [(on.rng(), -1, 3, 0, None), (on.rng(), n, 3, 0, context), (on.rng(), n, 3, 2, None),
           (on.rng(), n, 3, 1, context)]
    return (draw(on.rng(1), n, 3, 2, context), draw(on.rng(2), n, 3, 0, None),
            [error_of(draw, *arguments) for arguments in bad])
