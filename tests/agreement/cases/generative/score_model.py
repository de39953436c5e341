"""Cases for a fitted score as an object."""
import tempfile

import numpy as np

from tests.agreement.cases.generative.score_network import DIM, setting
from tests.agreement.registry import case, error_of, painted


def known(on, paint):
    """A model that nobody fitted."""
    score_matching, params, _ = setting(on, paint, 1)
    turn = np.array([[0.6, 0.0, 0.8], [0.8, 0.0, -0.6], [0.0, 1.0, 0.0]])
    mean, variance = np.array([1.0, -2.0, 0.5]), np.array([2.0, 0.7, 0.1])
    axes = on.package.representation.pca.PCA(mean, turn, variance, False)
    return score_matching.ScoreModel(params, on.put(axes), 1.4, np.array([2.0, 0.8, 0.3]), {})


def on_device(on, model):
    """The noise levels and the losses are host numbers everywhere."""
    return model._replace(sigmas=on.put(model.sigmas))


@case("generative.score_matching.ScoreModel.score", terms=100, kernels=True)
def _(on, paint, n):
    model, x = known(on, paint), on.put(painted(paint, (n, DIM)))
    each = on.put(0.1 + np.abs(painted(paint, (n,))))
    return model.score(x, 0.4), model.score(x, each), error_of(model.score, x[:, :2], 0.4)


@case("generative.score_matching.ScoreModel.sample", sizes=(1, 31), terms=2000, kernels=True)
def _(on, paint, n):
    model = known(on, paint)
    return (model.sample(on.rng(2), n, n_steps=3),
            model.sample(on.rng(2), n, n_steps=2, relative_step=0.1, denoise=False),
            error_of(model.sample, on.rng(2), -1), error_of(model.sample, on.rng(2), 3, relative_step=0.0))


@case("generative.score_matching.ScoreModel.save", sizes=(1,))
def _(on, paint, n):
    with tempfile.TemporaryDirectory() as folder:
        known(on, paint).save(folder + "/score.npz")
        return on_device(on, on.put(on.package.generative.score_matching.load(folder + "/score.npz")))


@case("generative.score_matching.load", sizes=(1,))
def _(on, paint, n):
    return error_of(on.package.generative.score_matching.load, "no such file")
