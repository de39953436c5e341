"""A whole inference: simulations in, a ratio trained for a few epochs, its values, gradients and draws
out."""
import math
import os
import tempfile
import warnings
from types import SimpleNamespace

import numpy as np

from tests.agreement.registry import case, error_of, painted, remembered

BRIEF = {"batch_size": 8, "max_epochs": 4, "learning_rate": 1e-3, "hidden": (6, 5)}
VARIANTS = {"plain": {}, "binary": {"n_contrastive": 1}, "balanced": {"balance": 10.0},
            "pca": {"n_components": 2}}
BRANCHES = {"dtypes": ("float64",), "note": "a draw is chosen by a comparison"}


def simulations(on, paint, n):
    theta = paint.uniform(0.2, 2.9, (n, 2)) * np.array([1.0, -1.0])
    x = (np.stack((theta[:, 0] ** 2, theta[:, 0] * theta[:, 1], theta[:, 1]), axis=1)
         + 0.3 * paint.standard_normal((n, 3)))
    return on.package.priors.BoxUniform([0.0, -3.0], [3.0, 0.0]), on.put(theta), on.put(x)


@remembered
def trained(on, paint, n, **settings):
    """A posterior, and its simulations."""
    prior, theta, x = simulations(on, paint, n)
    return (on.package.inference.nre.fit(prior, theta, x, rng=np.random.default_rng(1), **BRIEF | settings),
            theta, x)


for name, settings in VARIANTS.items():
    @case(f"inference.nre.fit#{name}", sizes=(90,), terms=5000, kernels=name != "balanced")
    def _(on, paint, n, settings=settings):
        posterior, _, _ = trained.__wrapped__(on, paint, n, **settings)
        return posterior.params, posterior.regression, posterior.scaling.std, posterior.history

    @case(f"inference.nre.Posterior.log_ratio#{name}", sizes=(90,), terms=20_000)
    def _(on, paint, n, settings=settings):
        posterior, theta, x = trained(on, paint, n, **settings)
        outside = on.put(np.array([[1.0, -1.0], [4.0, -1.0]]))
        return (posterior.log_ratio(theta, x), posterior.log_ratio(theta, x[0]),
                posterior.log_ratio(outside, x[0]))


@case("inference.nre.Posterior.log_prob", sizes=(90,), terms=20_000)
def _(on, paint, n):
    posterior, theta, x = trained(on, paint, n)
    return posterior.log_prob(theta, x), posterior.log_prob(on.put(np.array([[4.0, -1.0]])), x[0])


@case("inference.nre.Posterior.context", sizes=(90,), terms=2000)
def _(on, paint, n):
    return [trained(on, paint, n, **VARIANTS[name])[0].context(on.put(painted(paint, (4, 3))))
            for name in ("plain", "pca")]


@case("inference.nre.Posterior.candidates", sizes=(90,), terms=20_000)
def _(on, paint, n):
    posterior, _, x = trained(on, paint, n)
    weighted = [posterior.candidates(on.rng(3), count, x[0]) for count in (2, 31)]
    # 1 is their scale, which a logarithm near 0 forgets
    mean_weights = [math.exp(one.log_mean_weight) for one in weighted]
    return ([one._replace(log_mean_weight=0.0) for one in weighted], mean_weights,
            error_of(posterior.candidates, on.rng(), 1, x[0]))


@case("inference.nre.Posterior.target", sizes=(90,), terms=20_000)
def _(on, paint, n):
    posterior, _, x = trained(on, paint, n)
    target, u = posterior.target(x[0]), on.put(painted(paint, (5, 2)))
    return (target.log_likelihood(u), target.log_likelihood_and_grad(u), target.log_prob_and_grad(u),
            error_of(posterior.target, x))


def briefly(on):
    """The slice sampler, which takes eight steps however many are asked for."""
    def sample(rng, target, start, *, n_samples, n_warmup, progress):
        return on.package.inference.slice_sampler.sample(rng, target, start, n_samples=8, n_warmup=n_warmup,
                                                         progress=progress)
    return SimpleNamespace(__name__="briefly", sample=sample)


@case("inference.nre.Posterior.sample", sizes=(90,), terms=20_000, **BRANCHES)
def _(on, paint, n):
    posterior, _, x = trained(on, paint, n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (posterior.sample(on.rng(2), 20, x[0], n_candidates=300),
                posterior.sample(on.rng(2), 5, x[:2], n_candidates=300),
                posterior.sample(on.rng(2), 12, x[0], sampler=briefly(on), n_chains=4, n_warmup=1, thin=1))


@case("inference.nre.Posterior.save", sizes=(90,), terms=20_000)
def _(on, paint, n):
    nre = on.package.inference.nre
    posterior, theta, x = trained(on, paint, n, n_components=2)
    with tempfile.TemporaryDirectory() as folder:
        posterior.save(os.path.join(folder, "posterior.npz"))
        back = nre.load(os.path.join(folder, "posterior.npz"))
    assert np.array_equal(back.history["train_loss"], posterior.history["train_loss"])
    return (on.put(back.params), on.put(back.regression), on.put(back.scaling.std),
            on.put(back.compression.components))


@case("inference.nre.load", sizes=(1,))
def _(on, paint, n):
    return error_of(on.package.inference.nre.load, "no such file")


@case("inference.nre.fit#bad input", sizes=(30,))
def _(on, paint, n):
    prior, theta, x = simulations(on, paint, n)
    fit, rng = on.package.inference.nre.fit, np.random.default_rng(0)
    hole, beyond = paint.standard_normal((n, 3)), np.full((n, 2), 1.0) * np.array([1.0, -1.0])
    hole[4, 1], beyond[3, 0] = np.inf, 3.5
    bad = [(theta[:, :1], x), (theta, x[1:]), (theta[:19], x[:19]), (theta[:0], x[:0]), (theta, on.put(hole)),
           (on.put(beyond), x)]
    settings = ({"n_components": 4}, {"hidden": ()}, {"batch_size": -1}, {"batch_size": 1},
                {"n_contrastive": 0}, {"balance": -1.0}, {"balance": np.nan}, {"validation_fraction": 0.01})
    return ([error_of(fit, prior, *pair, rng=rng) for pair in bad],
            [error_of(fit, prior, theta, x, rng=rng, **one) for one in settings])


@case("inference.nre.Posterior.sample#bad input", sizes=(30,))
def _(on, paint, n):
    posterior, theta, x = trained(on, paint, n)
    nan = np.array([0.0, np.nan, 1.0])
    return ([error_of(posterior.sample, on.rng(), 3, bad) for bad in (x[0, :2], on.put(nan), x[None])],
            error_of(posterior.sample, on.rng(), 0, x[0]),
            [error_of(posterior.log_ratio, *bad) for bad in ((theta[:, :1], x), (theta, x[:5]),
                                                             (theta, on.put(nan)))])
