"""Cases for the score network: its parts, one noise level or one for each row, networks of other sizes."""
import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

DIM, HIDDEN = 3, (6, 5)
SPREAD = np.array([1.3, 0.6, 0.0])
OTHERS = ((1, (4,)), (2, (128, 128)), (12, (16, 5, 20)))              # dimensions and hidden layers


def setting(on, paint, n):
    score_matching = on.package.generative.score_matching
    params = score_matching.init_params(np.random.default_rng(0), dim=DIM, hidden=HIDDEN)
    return score_matching, on.put(random_tree(paint, params, scale=0.5)), on.put(painted(paint, (n, DIM)))


@case("generative.score_network.embed_sigma", terms=8)
def _(on, paint, n):
    embed_sigma = on.package.generative.score_network.embed_sigma
    each = on.put(0.1 + np.abs(painted(paint, (n,))))
    return embed_sigma(each), embed_sigma(each[0])


@case("generative.score_network.precondition", terms=8)
def _(on, paint, n):
    precondition = on.package.generative.score_network.precondition
    each = on.put(0.1 + np.abs(painted(paint, (n, 1))))
    return precondition(each, on.put(SPREAD)), precondition(each), precondition(each[0, 0], on.put(SPREAD))


@case("generative.score_matching.init_params", sizes=(1, 7))
def _(on, paint, n):
    init_params = on.package.generative.score_matching.init_params
    bad = ({"dim": 0}, {"hidden": ()}, {"hidden": (4, 0)})
    return (init_params(on.rng(1), dim=n, hidden=(4, 3)),
            [error_of(init_params, on.rng(1), **{"dim": 3} | change) for change in bad])


@case("generative.score_matching.score", terms=60, kernels=True)
def _(on, paint, n):
    score_matching, params, x = setting(on, paint, n)
    score, spread, each = score_matching.score, on.put(SPREAD), on.put(0.1 + np.abs(painted(paint, (n,))))
    return (score(params, x, 0.3), score(params, x, 2, spread=spread), score(params, x, each, spread=spread),
            [error_of(score, params, x, sigma) for sigma in (0.0, -1.0, np.nan)],
            error_of(score, params, x[:, :2], 0.3),
            error_of(score, params, x, on.put(np.ones(n + 1))))


@case("generative.score_matching.score#more than a block", sizes=(2500,), terms=60, kernels=True)
def _(on, paint, n):
    score_matching, params, x = setting(on, paint, n)
    each = on.put(0.1 + np.abs(painted(paint, (n,))))
    return [score_matching.score(params, x, sigma, spread=on.put(SPREAD)) for sigma in (0.5, each)]


@case("generative.score_matching.score#other networks", sizes=(7, 70), terms=200, kernels=True)
def _(on, paint, n):
    score_matching = on.package.generative.score_matching
    found = []
    for dim, hidden in OTHERS:
        params = score_matching.init_params(np.random.default_rng(0), dim=dim, hidden=hidden)
        params = on.put(random_tree(paint, params, scale=0.3))
        x, each = on.put(painted(paint, (n, dim))), on.put(0.1 + np.abs(painted(paint, (n,))))
        found += [score_matching.score(params, x, sigma, spread=0.7) for sigma in (0.4, each)]
    return found
