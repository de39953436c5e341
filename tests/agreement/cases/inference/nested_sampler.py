import numpy as np

from tests.agreement.cases.inference.slice_sampler import slanted
from tests.agreement.registry import case, error_of

COMPARES = dict(dtypes=("float64",), note="a point is above the level or not by a comparison")
PRIORS = {"box": lambda p: p.BoxUniform([-1.0, 2.0], [3.0, 2.5]), "simplex": lambda p: p.Dirichlet([0.6, 2.0, 3.0]),
          "both": lambda p: p.Independent([p.Dirichlet([0.6, 2.0]), p.LogNormal(0.3, 1.0)])}

for name, make in PRIORS.items():
    @case(f"inference.nested_sampler.sample#{name}", sizes=(3,), terms=1000, **COMPARES)
    def _(on, paint, n, make=make):
        target, start = slanted(on, make(on.package.priors)), on.put(np.zeros((n, 2)))
        return on.package.inference.nested_sampler.sample(on.rng(n), target, start, n_samples=5, n_live=12, remainder=1.0)


@case("inference.nested_sampler.sample#bad", sizes=(3,))
def _(on, paint, n):
    sample, good, start = on.package.inference.nested_sampler.sample, slanted(on), on.put(np.zeros((n, 2)))
    broken = on.package.inference.run_chains.Target(good.prior, lambda u: u[:, 0] * np.nan)
    settings = [error_of(sample, on.rng(n), good, start, **ask) for ask in (
        dict(n_samples=0), dict(n_samples=5, n_live=1), dict(n_samples=5, remainder=0.0))]
    flat = error_of(sample, on.rng(n), good, start[0], n_samples=5)
    return settings, flat, error_of(sample, on.rng(n), broken, start, n_samples=5, n_live=12)
