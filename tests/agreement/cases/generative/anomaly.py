import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree

DIM, LATENT, HIDDEN, STARTS = 3, 2, (6, 5), 3
TERMS = 100


def setting(on, paint, n):
    params = on.package.generative.wgan.init_params(np.random.default_rng(0), dim=DIM, n_latent=LATENT,
                                                    hidden=HIDDEN)
    return (on.package.generative.anomaly, on.put(random_tree(paint, params, scale=0.5)),
            on.put(painted(paint, (n, DIM))), on.put(painted(paint, (n, LATENT))))


@case("generative.anomaly.features", terms=20)
def _(on, paint, n):
    anomaly, params, x, _ = setting(on, paint, n)
    return anomaly.features(params, x), error_of(anomaly.features, params, x[:, :1])


@case("generative.anomaly.anomaly_score", terms=TERMS)
def _(on, paint, n):
    anomaly, params, x, z = setting(on, paint, n)
    return [anomaly.anomaly_score(params, x, z, balance=balance) for balance in (0.0, 0.3, 1.0)]


for name in ("TANH", "RELU", "LEAKY_RELU", "IDENTITY"):
    @case(f"generative.anomaly.anomaly_score_and_grad#{name}", terms=TERMS)
    def _(on, paint, n, name=name):
        anomaly, params, x, z = setting(on, paint, n)
        return anomaly.anomaly_score_and_grad(params, x, z, balance=0.3,
                                              activation=getattr(on.package.nets.dense, name))


@case("generative.anomaly.anomaly_score_and_grad#bad input", sizes=(5,))
def _(on, paint, n):
    anomaly, params, x, z = setting(on, paint, n)
    return [error_of(anomaly.anomaly_score_and_grad, params, *wrong)
            for wrong in ((x[:, :2], z), (x[:4], z), (x, z[:, :1]))]


@case("generative.anomaly.invert", sizes=(1, 7, 200), terms=2000)
def _(on, paint, n):
    """TANH, so that no rounding can flip a unit; 200 objects with 3 starts take more than one block."""
    anomaly, params, x, _ = setting(on, paint, n)
    start = on.put(painted(paint, (n, STARTS, LATENT)))
    return anomaly.invert(params, x, start, balance=0.5, n_steps=7, activation=on.package.nets.dense.TANH)


@case("generative.anomaly.invert#bad input", sizes=(5,))
def _(on, paint, n):
    anomaly, params, x, _ = setting(on, paint, n)
    start = on.put(painted(paint, (n, STARTS, LATENT)))
    hole = painted(paint, (n, DIM))
    hole[2, 1] = np.nan
    bad = [error_of(anomaly.invert, params, *wrong)
           for wrong in ((x[:, :2], start), (x[:4], start), (x, start[:, 0]), (x, start[:, :0]),
                         (on.put(hole), start))]
    return bad, [error_of(anomaly.invert, params, x, start, **wrong)
                 for wrong in ({"balance": 1.5}, {"n_steps": -1}, {"learning_rate": 0.0})]


@case("generative.anomaly.standardise", sizes=(7,), terms=20)
def _(on, paint, n):
    standardise, score = on.package.generative.anomaly.standardise, on.put(painted(paint, (n,)))
    bad = [error_of(standardise, score, on.put(wrong)) for wrong in (np.ones(1), np.ones(3), np.ones((3, 1)))]
    return standardise(score, on.put(painted(paint, (30,)))), bad
