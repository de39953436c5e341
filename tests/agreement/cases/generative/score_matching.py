"""Cases for the losses of score matching, and a fit."""
import numpy as np

from tests.agreement.cases.generative.score_model import on_device
from tests.agreement.cases.generative.score_network import DIM, HIDDEN, OTHERS, SPREAD, setting
from tests.agreement.registry import case, error_of, painted, random_tree

SIGMAS = (3.0, 1.0, 0.3, 0.1)


def noise(on, paint, n):
    """u in the middle of its level, so that no dtype can round it into another, and ε."""
    return on.put((paint.integers(0, len(SIGMAS), n) + 0.5) / len(SIGMAS)), on.put(painted(paint, (n, DIM)))


def fitted(on, paint, n, **settings):
    """Forty steps with nothing held out, so that no comparison of losses can branch."""
    x = on.put(painted(paint, (n, DIM)) @ (np.eye(DIM) + 0.4) + 3.0)
    return on.package.generative.score_matching.fit(x, rng=on.rng(3), hidden=HIDDEN, batch_size=5,
                                                    max_epochs=10, validation_fraction=0.0,
                                                    **settings)


@case("generative.score_matching.draw_noise")
def _(on, paint, n):
    return on.package.generative.score_matching.draw_noise(on.rng(1), n, dim=DIM)


@case("generative.score_matching.loss_and_grad#other networks", sizes=(40,), terms=lambda n: 200 + 12 * n,
      kernels=True)
def _(on, paint, n):
    score_matching = on.package.generative.score_matching
    found = []
    for dim, hidden in OTHERS:
        params = score_matching.init_params(np.random.default_rng(0), dim=dim, hidden=hidden)
        params = on.put(random_tree(paint, params, scale=0.3))
        u, _ = noise(on, paint, n)
        x, epsilon = on.put(painted(paint, (n, dim))), on.put(painted(paint, (n, dim)))
        found.append(score_matching.loss_and_grad(params, x, u, epsilon, sigmas=SIGMAS, spread=0.7))
    return found


@case("generative.score_matching.dsm", terms=lambda n: 60 + DIM * n, kernels=True)
def _(on, paint, n):
    score_matching, params, x = setting(on, paint, n)
    return score_matching.dsm(params, x, noise(on, paint, n)[1], sigma=0.4, spread=on.put(SPREAD))


@case("generative.score_matching.loss", terms=lambda n: 60 + DIM * n, kernels=True)
def _(on, paint, n):
    score_matching, params, x = setting(on, paint, n)
    return score_matching.loss(params, x, *noise(on, paint, n), sigmas=SIGMAS, spread=on.put(SPREAD))


@case("generative.score_matching.loss_and_grad", terms=lambda n: 60 + DIM * n, kernels=True)
def _(on, paint, n):
    score_matching, params, x = setting(on, paint, n)
    return score_matching.loss_and_grad(params, x, *noise(on, paint, n), sigmas=SIGMAS, spread=on.put(SPREAD))


@case("generative.score_matching.loss_and_grad#one level", terms=lambda n: 60 + DIM * n, kernels=True)
def _(on, paint, n):
    score_matching, params, x = setting(on, paint, n)
    return score_matching.loss_and_grad(params, x, *noise(on, paint, n), sigmas=(0.2,))


@case("generative.score_matching.fit", sizes=(20,), terms=4000, dtypes=("float64",), kernels=True,
      note="a level is chosen by rounding a uniform draw down")
def _(on, paint, n):
    return on_device(on, fitted(on, paint, n)), on_device(on, fitted(on, paint, n, sigmas=SIGMAS))


@case("generative.score_matching.fit#bad input", sizes=(8,))
def _(on, paint, n):
    fit, x = on.package.generative.score_matching.fit, painted(paint, (n, DIM))
    hole = x.copy()
    hole[2, 1] = np.nan
    bad = [error_of(fit, on.put(value), rng=on.rng(0))
           for value in (x[0], x[:3], hole, np.ones((n, DIM)), x > 0)]
    return bad, [error_of(fit, on.put(x), rng=on.rng(0), **settings)
                 for settings in ({"sigmas": (1.0, 1.0)}, {"sigmas": (0.1, 1.0)}, {"sigmas": 1.0},
                                  {"hidden": ()}, {"batch_size": 0})]
