"""A whole inference: simulations in, a posterior trained for a few epochs, its samples and densities out."""
import os
import tempfile

import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree, remembered

FLOW = {"n_transforms": 2, "hidden": (6, 5)}
BRIEF = {"batch_size": 8, "max_epochs": 4, "learning_rate": 1e-3, **FLOW}
VARIANTS = {"plain": {}, "pca": {"n_components": 2}, "embedding": {"embedding": (5, 2)},
            "nsf": {"density": "nsf"}, "realnvp": {"density": "realnvp"},
            "mdn": {"density": "mdn", "n_transforms": None, "learning_rate": 1e-2}}
FUSED = ("plain", "pca", "embedding", "realnvp")                      # trained by kernels where there are any
BRANCHES = {
    "nsf": {"dtypes": ("float64",),
            "note": "the bin of a value is a comparison, and the gradient of the log-slope jumps at a knot"}}
CHOICES = {"mdn": {"dtypes": ("float64",), "note": "the component of a draw is chosen by a comparison"}}


def simulations(on, paint, n):
    theta = paint.uniform(0.2, 2.9, (n, 2)) * np.array([1.0, -1.0])
    x = (np.stack((theta[:, 0] ** 2, theta[:, 0] * theta[:, 1], theta[:, 1]), axis=1)
         + 0.3 * paint.standard_normal((n, 3)))
    return on.package.priors.BoxUniform([0.0, -3.0], [3.0, 0.0]), on.put(theta), on.put(x)


@remembered
def trained(on, paint, n, *, density="maf", **settings):
    """A posterior, and its simulations; the density by its name, since each package has its own."""
    prior, theta, x = simulations(on, paint, n)
    settings["density"] = getattr(on.package.density, density)
    return (on.package.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1), **BRIEF | settings),
            theta, x)


@case("inference.npe.init_params", sizes=(3,))
def _(on, paint, n):
    npe, flows = on.package.inference.npe, on.package.density
    return [npe.init_params(on.rng(1), dim=2, context_dim=n, embedding=embedding, density=density, **settings)
            for embedding in ((), (4, 2))
            for density, sizes in ((flows.maf, FLOW), (flows.nsf, FLOW), (flows.realnvp, FLOW),
                                   (flows.mdn, {"hidden": (6, 5)})) for settings in (sizes, {})]


for name, embedding in [(name, embedding) for name in ("maf", "nsf", "realnvp", "mdn")
                        for embedding in ((), (5, 2))]:
    def setting(on, paint, n, name=name, embedding=embedding):
        tree = on.package.inference.npe.init_params(np.random.default_rng(0), dim=2, context_dim=3,
                                                    embedding=embedding,
                                                    density=getattr(on.package.density, name), **FLOW
                                                    | ({"n_transforms": None} if name == "mdn" else {}))
        return on.put(random_tree(paint, tree, 0.5)), on.put(painted(paint, (n, 2))), on.put(painted(paint,
                                                                                                     (n, 3)))

    @case(f"inference.npe.loss#{name} {len(embedding)}", terms=lambda n: n + 100, kernels=name == "maf")
    def _(on, paint, n, setting=setting, name=name):
        return on.package.inference.npe.loss(*setting(on, paint, n),
                                             density=getattr(on.package.density, name))

    @case(f"inference.npe.loss_and_grad#{name} {len(embedding)}", terms=lambda n: n + 1000,
          kernels=name == "maf", **BRANCHES.get(name, {}))
    def _(on, paint, n, setting=setting, name=name):
        return on.package.inference.npe.loss_and_grad(*setting(on, paint, n),
                                                      density=getattr(on.package.density, name))


for name, settings in VARIANTS.items():
    @case(f"inference.npe.fit#{name}", sizes=(90,), terms=2000, kernels=name in FUSED)
    def _(on, paint, n, settings=settings):
        posterior, _, _ = trained.__wrapped__(on, paint, n, **settings)
        return (posterior.params, posterior.whitening, posterior.scaling.std, posterior.validation_log_prob,
                posterior.history)

    @case(f"inference.npe.Posterior.sample#{name}", sizes=(90,), terms=20_000, kernels=name in FUSED,
          **CHOICES.get(name, {}))
    def _(on, paint, n, settings=settings):
        posterior, _, x = trained(on, paint, n, **settings)
        return posterior.sample(on.rng(2), 7, x[0]), posterior.sample(on.rng(3), 5, x[:3])

    @case(f"inference.npe.Posterior.log_prob#{name}", sizes=(90,), terms=20_000, kernels=name in FUSED)
    def _(on, paint, n, settings=settings):
        posterior, theta, x = trained(on, paint, n, **settings)
        outside = on.put(np.array([[1.0, -1.0], [4.0, -1.0]]))
        return (posterior.log_prob(theta, x), posterior.log_prob(theta, x[0]),
                posterior.log_prob(outside, x[0]))


@case("inference.npe.Posterior.context", sizes=(90,), terms=2000)
def _(on, paint, n):
    return [trained(on, paint, n, **VARIANTS[name])[0].context(on.put(painted(paint, (4, 3))))
            for name in ("plain", "pca")]


@case("inference.npe.Posterior.sample#priors", sizes=(1, 45), terms=1000, kernels=True)
def _(on, paint, n):
    """Every way from whitened draws to parameters, for rows that fill no block and rows of several."""
    npe, package, x = on.package.inference.npe, on.package, on.put(painted(paint, (n, 3)))
    priors = package.priors
    params = on.put(npe.init_params(np.random.default_rng(0), dim=3, context_dim=3, **FLOW))
    whitening = package.preprocessing.regression.Regression(*on.put((painted(paint, (4, 3)),
                                                                     3 * np.tril(painted(paint, (3, 3))))))
    scaling = package.preprocessing.scaling.Scaling(*on.put((np.zeros(3), np.ones(3))))
    one = priors.BoxUniform([0.0], [1.0])
    sides = ((priors.BoxUniform([-1.0, 1000.1], [0.3, 1000.7]), one),
             (one, priors.Normal([-1.0, 1000.1], [0.3, 7.0])),
             (priors.LogNormal([-1.0, 0.3], [0.3, 0.2]), priors.Independent((one,))),
             (one, priors.Dirichlet([1.0, 2.0, 0.5])))
    return [npe.Posterior(priors.Independent(parts), on.package.density.maf, params, whitening, None, scaling,
                          0.0, {}).sample(on.rng(1), 7, x) for parts in sides]


@case("inference.npe.Posterior.distance", sizes=(90,), terms=20_000)
def _(on, paint, n):
    posteriors = [trained(on, paint, n, **VARIANTS[name])[0] for name in ("plain", "pca")]
    far = on.put(painted(paint, (4, 3)))
    return [posterior.distance(far) for posterior in posteriors], posteriors[0].distance(far[0])


@case("inference.npe.Posterior.save", sizes=(90,), terms=20_000)
def _(on, paint, n):
    npe = on.package.inference.npe
    posterior, theta, x = trained(on, paint, n, embedding=(5, 2), n_components=2)
    with tempfile.TemporaryDirectory() as folder:
        posterior.save(os.path.join(folder, "posterior.npz"))
        back = npe.load(os.path.join(folder, "posterior.npz"))
    assert np.array_equal(back.history["train_loss"], posterior.history["train_loss"])
    return (on.put(back.params), on.put(back.whitening), on.put(back.compression.components),
            back.validation_log_prob)


@case("inference.npe.load", sizes=(1,))
def _(on, paint, n):
    return error_of(on.package.inference.npe.load, "no such file")


@case("inference.npe.fit#bad input", sizes=(30,))
def _(on, paint, n):
    prior, theta, x = simulations(on, paint, n)
    fit, rng = on.package.inference.npe.fit, np.random.default_rng(0)
    hole, beyond = paint.standard_normal((n, 3)), np.full((n, 2), 1.0) * np.array([1.0, -1.0])
    hole[4, 1], beyond[3, 0] = np.inf, 3.5
    bad = [(theta[:, :1], x), (theta, x[1:]), (theta[:19], x[:19]), (theta[:0], x[:0]), (theta, on.put(hole)),
           (on.put(beyond), x)]
    return ([error_of(fit, prior, *pair, rng=rng) for pair in bad],
            error_of(fit, prior, theta, x, rng=rng, density=on.package.density.mdn, n_transforms=2),
            [error_of(fit, prior, theta, x, rng=rng, **settings)
             for settings in ({"n_components": 4}, {"n_transforms": 0}, {"hidden": ()}, {"batch_size": -1})])


@case("inference.npe.Posterior.sample#bad input", sizes=(30,))
def _(on, paint, n):
    posterior, theta, x = trained(on, paint, n)
    nan = np.array([0.0, np.nan, 1.0])
    return ([error_of(posterior.sample, on.rng(), 3, bad) for bad in (x[0, :2], on.put(nan), x[None])],
            error_of(posterior.sample, on.rng(), 0, x[0]),
            [error_of(posterior.log_prob, *bad) for bad in ((theta[:, :1], x), (theta, x[:5]),
                                                            (theta, on.put(nan)))])
