import numpy as np

from tests.agreement.registry import case, error_of


@case("priors.constants.hold", sizes=(1,))
def _(on, paint, n):
    normal = on.package.priors.Normal
    prior = normal(on.put(np.array([0.5, 2.0])), [1, 2])
    return (error_of(normal, [0.0, np.nan], [1.0, 1.0]), prior.mean.tolist(), prior.std.tolist(),
            prior.mean.flags.writeable)
