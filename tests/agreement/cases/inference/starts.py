import numpy as np

from tests.agreement.cases.inference.slice_sampler import COMPARES, slanted
from tests.agreement.registry import case, error_of


@case("inference.starts.draw", sizes=(1, 7), **COMPARES)
def _(on, paint, n):
    return on.package.inference.starts.draw(on.rng(n), slanted(on), n, n_candidates=40)


@case("inference.starts.draw#simplex", sizes=(5,), **COMPARES)
def _(on, paint, n):
    target = slanted(on, on.package.priors.Dirichlet([0.6, 2.0, 3.0]))
    return on.package.inference.starts.draw(on.rng(n), target, n, n_candidates=5)


@case("inference.starts.draw#bad", sizes=(4,))
def _(on, paint, n):
    starts, good = on.package.inference.starts, slanted(on)
    make = on.package.inference.target.Target
    nowhere, broken = (make(good.prior, lambda u, add=add: u[:, 0] + add) for add in (-np.inf, np.nan))
    asked = [error_of(starts.draw, on.rng(1), good, bad) for bad in (0, 2.5)]
    asked += [error_of(starts.draw, on.rng(1), good, n, n_candidates=bad) for bad in (0, n - 1)]
    return asked, [error_of(starts.draw, on.rng(1), bad, n, n_candidates=30) for bad in (nowhere, broken)]
