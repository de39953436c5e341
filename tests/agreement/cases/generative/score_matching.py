import tempfile

import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

DIM, HIDDEN, SIGMAS = 3, (6, 5), (3.0, 1.0, 0.3, 0.1)
SPREAD = np.array([1.3, 0.6, 0.0])
OTHERS = ((1, (4,)), (2, (128, 128)), (12, (16, 5, 20)))             # dimensions and hidden layers; the second is fit's own


def setting(on, paint, n):
    score_matching = on.package.generative.score_matching
    params = score_matching.init_params(np.random.default_rng(0), dim=DIM, hidden=HIDDEN)
    return score_matching, on.put(random_tree(paint, params, scale=0.5)), on.put(painted(paint, (n, DIM)))


def noise(on, paint, n):
    """u in the middle of its level, so that no dtype can round it into another, and ε."""
    return on.put((paint.integers(0, len(SIGMAS), n) + 0.5) / len(SIGMAS)), on.put(painted(paint, (n, DIM)))


def known(on, paint):
    """A model that nobody fitted."""
    score_matching, params, _ = setting(on, paint, 1)
    turn = np.array([[0.6, 0.0, 0.8], [0.8, 0.0, -0.6], [0.0, 1.0, 0.0]])
    axes = on.package.representation.pca.PCA(np.array([1.0, -2.0, 0.5]), turn, np.array([2.0, 0.7, 0.1]), False)
    return score_matching.ScoreModel(params, on.put(axes), 1.4, np.array([2.0, 0.8, 0.3]), {})


def fitted(on, paint, n, **settings):
    """Forty steps with nothing held out, so that no comparison of losses can branch."""
    x = on.put(painted(paint, (n, DIM)) @ (np.eye(DIM) + 0.4) + 3.0)
    return on.package.generative.score_matching.fit(x, rng=on.rng(3), hidden=HIDDEN, batch_size=5, max_epochs=10, validation_fraction=0.0,
                                                    **settings)


def on_device(on, model):
    """The ladder and the losses are host numbers everywhere."""
    return model._replace(sigmas=on.put(model.sigmas))


@case("generative.score_matching.ladder", sizes=(1,))
def _(on, paint, n):
    ladder = on.package.generative.score_matching.ladder
    bad = [(1.0, 2.0, 5), (1.0, 1.0, 5), (1.0, 0.0, 5), (np.inf, 1.0, 5), (2.0, 1.0, 1), (2.0, 1.0, 2.5)]
    return on.put(ladder(8.0, 0.1, 12)), on.put(ladder(3, 1, 2)), [error_of(ladder, *arguments) for arguments in bad]


@case("generative.score_matching.init_params", sizes=(1, 7))
def _(on, paint, n):
    init_params = on.package.generative.score_matching.init_params
    bad = ({"dim": 0}, {"hidden": ()}, {"hidden": (4, 0)})
    return init_params(on.rng(1), dim=n, hidden=(4, 3)), [error_of(init_params, on.rng(1), **{"dim": 3} | change) for change in bad]


@case("generative.score_matching.draw_noise")
def _(on, paint, n):
    return on.package.generative.score_matching.draw_noise(on.rng(1), n, dim=DIM)


@case("generative.score_matching.score", terms=60, kernels=True)
def _(on, paint, n):
    score_matching, params, x = setting(on, paint, n)
    score, spread, each = score_matching.score, on.put(SPREAD), on.put(0.1 + np.abs(painted(paint, (n,))))
    return (score(params, x, 0.3), score(params, x, 2, spread=spread), score(params, x, each, spread=spread),
            [error_of(score, params, x, sigma) for sigma in (0.0, -1.0, np.nan)], error_of(score, params, x[:, :2], 0.3),
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
        params = on.put(random_tree(paint, score_matching.init_params(np.random.default_rng(0), dim=dim, hidden=hidden), scale=0.3))
        x, each = on.put(painted(paint, (n, dim))), on.put(0.1 + np.abs(painted(paint, (n,))))
        found += [score_matching.score(params, x, sigma, spread=0.7) for sigma in (0.4, each)]
    return found


@case("generative.score_matching.loss_and_grad#other networks", sizes=(40,), terms=lambda n: 200 + 12 * n, kernels=True)
def _(on, paint, n):
    score_matching = on.package.generative.score_matching
    found = []
    for dim, hidden in OTHERS:
        params = on.put(random_tree(paint, score_matching.init_params(np.random.default_rng(0), dim=dim, hidden=hidden), scale=0.3))
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
    bad = [error_of(fit, on.put(value), rng=on.rng(0)) for value in (x[0], x[:3], hole, np.ones((n, DIM)), x > 0)]
    return bad, [error_of(fit, on.put(x), rng=on.rng(0), **settings)
                 for settings in ({"sigmas": (1.0, 1.0)}, {"sigmas": (0.1, 1.0)}, {"sigmas": 1.0}, {"hidden": ()}, {"batch_size": 0})]


@case("generative.score_matching.ScoreModel.score", terms=100, kernels=True)
def _(on, paint, n):
    model, x = known(on, paint), on.put(painted(paint, (n, DIM)))
    return model.score(x, 0.4), model.score(x, on.put(0.1 + np.abs(painted(paint, (n,))))), error_of(model.score, x[:, :2], 0.4)


@case("generative.score_matching.ScoreModel.sample", sizes=(1, 31), terms=2000, kernels=True)
def _(on, paint, n):
    model = known(on, paint)
    return (model.sample(on.rng(2), n, n_steps=3), model.sample(on.rng(2), n, n_steps=2, relative_step=0.1, denoise=False),
            error_of(model.sample, on.rng(2), -1), error_of(model.sample, on.rng(2), 3, relative_step=0.0))


@case("generative.score_matching.ScoreModel.save", sizes=(1,))
def _(on, paint, n):
    with tempfile.TemporaryDirectory() as folder:
        known(on, paint).save(folder + "/score.npz")
        return on_device(on, on.put(on.package.generative.score_matching.load(folder + "/score.npz")))


@case("generative.score_matching.load", sizes=(1,))
def _(on, paint, n):
    return error_of(on.package.generative.score_matching.load, "no such file")
