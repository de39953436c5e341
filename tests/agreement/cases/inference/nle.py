"""A likelihood trained for a few epochs on correlated data, its densities and gradients, and draws of the
posterior that it implies."""
import os
import tempfile
import warnings
from types import SimpleNamespace

import numpy as np

from tests.agreement.registry import case, error_of, painted, remembered

FLOW = {"n_transforms": 2, "hidden": (6, 5)}
BRIEF = {"batch_size": 8, "max_epochs": 4, "learning_rate": 1e-3, **FLOW}
VARIANTS = {"plain": {}, "pca": {"n_components": 2}, "nsf": {"density": "nsf"},
            "realnvp": {"density": "realnvp"},
            "mdn": {"density": "mdn", "n_transforms": None, "learning_rate": 1e-2}}
FUSED = ("plain", "pca", "realnvp")  # trained by kernels where there are any
BRANCHES = {
    "nsf": {"dtypes": ("float64",),
            "note": "the bin of a value is a comparison, and the gradient of the log-slope jumps at a knot"}}


def simulations(on, paint, n):
    theta = paint.uniform(0.2, 2.9, (n, 2)) * np.array([1.0, -1.0])
    mix = np.array([[0.3, 0.1, 0.0], [0.0, 0.4, -0.2], [0.2, 0.0, 0.5]])
    x = (np.stack((theta[:, 0] ** 2, theta[:, 0] * theta[:, 1], theta[:, 1]), axis=1)
         + paint.standard_normal((n, 3)) @ mix)
    return on.package.priors.BoxUniform([0.0, -3.0], [3.0, 0.0]), on.put(theta), on.put(x)


@remembered
def trained(on, paint, n, *, density="maf", **settings):
    """A posterior, and its simulations; the density by its name, since each package has its own."""
    prior, theta, x = simulations(on, paint, n)
    settings["density"] = getattr(on.package.density, density)
    return (on.package.inference.nle.fit(prior, theta, x, rng=np.random.default_rng(1), **BRIEF | settings),
            theta, x)


for name, settings in VARIANTS.items():
    @case(f"inference.nle.fit#{name}", sizes=(90,), terms=2000, kernels=name in FUSED,
          **BRANCHES.get(name, {}))
    def _(on, paint, n, settings=settings):
        posterior, _, _ = trained.__wrapped__(on, paint, n, **settings)
        return (posterior.params, posterior.standardisation, posterior.whitening, posterior.scaling.std,
                posterior.validation_log_prob, posterior.history)

    @case(f"inference.nle.Posterior.log_likelihood#{name}", sizes=(90,), terms=20_000)
    def _(on, paint, n, settings=settings):
        posterior, theta, x = trained(on, paint, n, **settings)
        outside = on.put(np.array([[1.0, -1.0], [4.0, -1.0]]))
        return (posterior.log_likelihood(theta, x), posterior.log_likelihood(theta, x[0]),
                posterior.log_likelihood(outside, x[0]), posterior.log_likelihood(theta[:9], x[:4], iid=True))

    @case(f"inference.nle.Posterior.target#{name}", sizes=(90,), terms=20_000,
          **BRANCHES.get(name, {}))
    def _(on, paint, n, settings=settings):
        posterior, _, x = trained(on, paint, n, **settings)
        u = on.put(painted(paint, (7, 2)))
        targets = (posterior.target(x[0]), posterior.target(x[:3], iid=True))
        return [(target.log_likelihood(u), target.log_likelihood_and_grad(u), target.log_prob_and_grad(u))
                for target in targets]


@case("inference.nle.Posterior.log_prob", sizes=(90,), terms=20_000)
def _(on, paint, n):
    posterior, theta, x = trained(on, paint, n)
    return (posterior.log_prob(theta, x),
            posterior.log_prob(on.put(np.array([[1.0, -1.0], [4.0, -1.0]])), x[0]),
            posterior.log_prob(theta[:9], x[:4], iid=True))


@case("inference.nle.Posterior.summary", sizes=(90,), terms=2000)
def _(on, paint, n):
    return [trained(on, paint, n, **VARIANTS[name])[0].summary(on.put(painted(paint, (4, 3))))
            for name in ("plain", "pca")]


@case("inference.nle.Posterior.sample", sizes=(90,), terms=20_000, dtypes=("float64",),
      note="whether a draw is accepted is a comparison, which rounding may flip")
def _(on, paint, n):
    posterior, _, x = trained(on, paint, n)
    slices = on.package.inference.slice_sampler

    def sample(rng, target, start, *, n_samples, n_warmup, progress):
        # four sweeps instead of mcmc's 200
        return slices.sample(rng, target, start, n_samples=4, n_warmup=n_warmup)
    short = {"sampler": SimpleNamespace(__name__="slice_sampler", sample=sample), "n_chains": 6,
             "n_warmup": 2, "n_candidates": 50}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # they have not mixed
        return (posterior.sample(on.rng(2), 6, x[0], **short), posterior.sample(on.rng(3), 6, x[:2], **short),
                posterior.sample(on.rng(4), 6, x[:3], iid=True, **short))


@case("inference.nle.Posterior.save", sizes=(90,), terms=20_000)
def _(on, paint, n):
    nle = on.package.inference.nle
    posterior, _, _ = trained(on, paint, n, n_components=2)
    with tempfile.TemporaryDirectory() as folder:
        posterior.save(os.path.join(folder, "posterior.npz"))
        back = nle.load(os.path.join(folder, "posterior.npz"))
    assert np.array_equal(back.history["train_loss"], posterior.history["train_loss"])
    return (on.put(back.params), on.put(back.whitening), on.put(back.standardisation),
            on.put(back.compression.components), back.validation_log_prob)


@case("inference.nle.load", sizes=(1,))
def _(on, paint, n):
    return error_of(on.package.inference.nle.load, "no such file")


@case("inference.nle.fit#bad input", sizes=(30,))
def _(on, paint, n):
    prior, theta, x = simulations(on, paint, n)
    fit, rng = on.package.inference.nle.fit, np.random.default_rng(0)
    hole, beyond = paint.standard_normal((n, 3)), np.full((n, 2), 1.0) * np.array([1.0, -1.0])
    hole[4, 1], beyond[3, 0] = np.inf, 3.5
    bad = [(theta[:, :1], x), (theta, x[1:]), (theta[:19], x[:19]), (theta[:0], x[:0]), (theta, on.put(hole)),
           (on.put(beyond), x)]
    return ([error_of(fit, prior, *pair, rng=rng) for pair in bad],
            error_of(fit, prior, theta, x, rng=rng, density=on.package.density.mdn, n_transforms=2),
            [error_of(fit, prior, theta, x, rng=rng, **settings)
             for settings in ({"n_components": 4}, {"n_transforms": 0}, {"hidden": ()}, {"batch_size": -1})])


@case("inference.nle.Posterior.log_likelihood#bad input", sizes=(30,))
def _(on, paint, n):
    posterior, theta, x = trained(on, paint, n)
    nan = on.put(np.array([0.0, np.nan, 1.0]))
    return ([error_of(posterior.log_likelihood, *bad) for bad in ((theta[:, :1], x), (theta, x[:5]),
                                                                  (theta, nan), (theta, x[0, :2]))],
            [error_of(posterior.target, bad) for bad in (x[0, :2], nan, x[:2])],
            [error_of(posterior.sample, on.rng(), 3, bad) for bad in (x[0, :2], nan, x[None])],
            error_of(posterior.sample, on.rng(), 0, x[0]))
