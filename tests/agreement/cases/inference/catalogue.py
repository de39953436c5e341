"""Catalogues: summaries of given draws, and the whole call, whose host results are put back where the
posterior lives."""
import os
import tempfile

import numpy as np

from tests.agreement.cases.inference.npe import trained
from tests.agreement.registry import case, error_of, painted

QUANTILES = (0.05, 0.16, 0.5, 0.975)
VARIANTS = {"plain": {}, "pca": {"n_components": 2},
            "mdn": {"density": "mdn", "n_transforms": None, "learning_rate": 1e-2}}
CHOICES = {"mdn": {"dtypes": ("float64",), "note": "the component of a draw is chosen by a comparison"}}


def sky(x, n=9):
    """A catalogue: simulations, one of them with a hole, one far from all others."""
    x = np.concatenate([x[:n - 2], x[:2] * 40])
    x[2, 1], x[n - 1, 0] = np.nan, np.inf
    return x


def trained_here(on, paint, n, **settings):
    """A posterior, and a catalogue on the host in its dtype."""
    posterior, _, x = trained(on, paint, n, **settings)
    return posterior, sky(x.get() if hasattr(x, "get") else x)


for n, dim in ((2, 1), (5, 3), (64, 2), (100, 12), (1000, 3)):
    @case(f"inference.catalogue.summary#{n} draws of {dim}", sizes=(1, 3), terms=n, kernels=True)
    def _(on, paint, m, n=n, dim=dim):
        theta = painted(paint, (m, n, dim)) ** 3 + np.linspace(-3, 5, dim)
        if n == 64:
            theta[0, 7, 1], theta[-1, :3, 0], theta[-1, 9, 1] = np.nan, theta[-1, 4, 0], np.inf
        return on.package.inference.catalogue.summary(on.put(theta), QUANTILES)


@case("inference.catalogue.summary#bad input", sizes=(3,))
def _(on, paint, n):
    summary, theta = on.package.inference.catalogue.summary, painted(paint, (2, n, 2))
    return ([error_of(summary, on.put(bad)) for bad in (theta[0], theta[:, :1], theta[:0], theta[:, :, :0])],
            [error_of(summary, on.put(theta), quantiles) for quantiles in ((), (0.5, 1.0), (0.0,), (np.nan,),
                                                                           0.5)])


for name, settings in VARIANTS.items():
    @case(f"inference.catalogue.summarise#{name}", sizes=(90,), terms=20_000, kernels=True,
          **CHOICES.get(name, {}))
    def _(on, paint, n, settings=settings):
        posterior, x = trained_here(on, paint, n, **settings)
        return on.put(on.package.inference.catalogue.summarise(posterior, x, seed=3, n_samples=33,
                                                               quantiles=QUANTILES, chunk_size=4))

    @case(f"inference.catalogue.sample#{name}", sizes=(90,), terms=20_000, kernels=True,
          **CHOICES.get(name, {}))
    def _(on, paint, n, settings=settings):
        posterior, x = trained_here(on, paint, n, **settings)
        return on.put(on.package.inference.catalogue.sample(posterior, x, seed=2**63 + 5, n_samples=6,
                                                            first=10**9, chunk_size=5))


@case("inference.catalogue.summarise#ensemble", sizes=(60,), terms=20_000, kernels=True)
def _(on, paint, n):
    members = [trained_here(on, np.random.default_rng(k), n)[0] for k in (1, 2, 3)]
    ensemble = on.package.inference.deep_ensemble.Ensemble(tuple(members), np.array([0.55, 0.001, 0.449]))
    x = trained_here(on, paint, n)[1]
    return on.put(on.package.inference.catalogue.summarise(ensemble, x, seed=3, n_samples=40))


@case("inference.catalogue.load", sizes=(60,), terms=20_000)
def _(on, paint, n):
    catalogue, (posterior, x) = on.package.inference.catalogue, trained_here(on, paint, n)
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "results")
        catalogue.summarise(posterior, x, seed=3, n_samples=8, out=out)
        results = type(found := catalogue.load(out))(*map(np.array, found))
        return (on.put(results),
                error_of(catalogue.summarise, posterior, x, seed=4, n_samples=8, out=out).replace(out, ""))


@case("inference.catalogue.summarise#bad input", sizes=(30,))
def _(on, paint, n):
    catalogue, (posterior, x) = on.package.inference.catalogue, trained_here(on, paint, n)
    bad = [x[:, :2], x[0], x[:0], x.astype(np.float16), x > 0, np.ma.masked_invalid(x)]
    settings = [{"n_samples": 1}, {"seed": -1}, {"quantiles": (0.5, 1.5)}, {"first": -1}, {"chunk_size": 0}]
    return ([error_of(catalogue.summarise, posterior, wrong, seed=1) for wrong in bad],
            [error_of(catalogue.summarise, posterior, x, **{"seed": 1, **wrong}) for wrong in settings],
            [error_of(catalogue.sample, posterior, x, seed=1, n_samples=0)])
