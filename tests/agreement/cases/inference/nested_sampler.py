import numpy as np

from tests.agreement.cases.inference.slice_sampler import slanted
from tests.agreement.registry import case, error_of

COMPARES = dict(dtypes=("float64",), note="a point is above the level or not by a comparison")
PRIORS = {"box": lambda p: p.BoxUniform([-1.0, 2.0], [3.0, 2.5]),
          "simplex": lambda p: p.Dirichlet([0.6, 2.0, 3.0]),
          "both": lambda p: p.Independent([p.Dirichlet([0.6, 2.0]), p.LogNormal(0.3, 1.0)])}

for name, make in PRIORS.items():
    @case(f"inference.nested_sampler.sample#{name}", sizes=(15,), terms=1000, **COMPARES)
    def _(on, paint, n, make=make):
        target = slanted(on, make(on.package.priors))
        return on.package.inference.nested_sampler.sample(on.rng(n), target, n, n_live=12, remainder=1.0)


@case("inference.nested_sampler.sample#bad", sizes=(3,))
def _(on, paint, n):
    sample, good = on.package.inference.nested_sampler.sample, slanted(on)
    broken = on.package.inference.target.Target(good.prior, lambda u: u[:, 0] * np.nan)
    settings = [error_of(sample, on.rng(n), good, **{"n": n, **ask}) for ask in (
        dict(n=0), dict(n_live=1), dict(remainder=0.0))]
    return settings, error_of(sample, on.rng(n), broken, n, n_live=12)
