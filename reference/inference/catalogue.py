"""Posterior summaries of a catalogue: mean, covariance and quantiles of each object, from its own draws.

    (1)  θᵢₛ ~ q(θ|xᵢ),   s = 1 … n                            n draws for object i
    (2)  mᵢ = (1/n) ∑ₛ θᵢₛ
    (3)  Cᵢ = 1/(n−1) ∑ₛ (θᵢₛ − mᵢ)(θᵢₛ − mᵢ)ᵀ
    (4)  t = θ₍ₖ₎ + (h − k)(θ₍ₖ₊₁₎ − θ₍ₖ₎),   h = p(n−1),  k = ⌊h⌋      the p-quantile of sorted draws

The draws of an object depend on the seed and on its number in the catalogue alone
(inference.catalogue_stream): not on how many objects there are, nor on their division into chunks, sittings
or machines (`first`). A run that was interrupted continues where it stopped.

Every object has a flag, a bit mask; 0 means no problem:

    BAD_INPUT = 1      x has NaN or inf: nothing is computed, its results are NaN
    FAR = 2            its distance from the simulations is above 1: the posterior extrapolates
    BAD_RESULT = 4     a mean or covariance is not finite although x is

Shapes        N objects, D data, n draws, P parameters, Q quantiles; x (N, D), θ (M, n, P).
Conventions   of the draws: covariances divide by n − 1, quantiles are NumPy's, "linear".

Example
-------
>>> import numpy as np
>>> from reference.inference import catalogue
>>> theta = np.random.default_rng(0).standard_normal((3, 1000, 2)) + [10.0, 20.0]
>>> found = catalogue.summary(theta, quantiles=(0.16, 0.84))
>>> print(found.mean[0].round(1), found.quantiles[0].round(0).tolist())
[10. 20.] [[9.0, 19.0], [11.0, 21.0]]
"""
from collections.abc import Sequence
from os import PathLike
from typing import NamedTuple

import numpy as np

from reference.inference.catalogue_stream import (
    BAD_INPUT, BAD_RESULT, FAR, CatalogueError, members_of, stream)
from reference.runtime import checks
from reference.runtime.protocols import Array, Posterior
from reference.runtime.rows import read

__all__ = ["BAD_INPUT", "FAR", "BAD_RESULT", "Summary", "Catalogue", "Samples", "CatalogueError", "summary",
           "summarise", "sample", "load"]


class Summary(NamedTuple):
    """The summaries of M objects: mean (M, P), covariance (M, P, P) and quantiles (M, Q, P)."""
    mean: Array
    covariance: Array
    quantiles: Array


class Catalogue(NamedTuple):
    """The summaries of all objects, on the host; from a folder as memmaps.

    Attributes
    ----------
    mean : (N, P) float
    covariance : (N, P, P) float
    quantiles : (N, Q, P) float
    distance : (N,) float
        From the simulations, for an ensemble the largest of its members'; NaN without a training domain.
    flag : (N,) uint8
    """
    mean: Array
    covariance: Array
    quantiles: Array
    distance: Array
    flag: Array


class Samples(NamedTuple):
    """The draws theta (N, n, P) of all objects, and their distance and flag as in `Catalogue`."""
    theta: Array
    distance: Array
    flag: Array


@np.errstate(over="ignore", invalid="ignore")
def summary(theta: Array, quantiles: Sequence[float] = (0.16, 0.5, 0.84)) -> Summary:
    """Mean, covariance and quantiles of the draws of each object.

    Parameters
    ----------
    theta : (M, n, P) float
        n draws of each of M objects, n at least two.
    quantiles : sequence of float
        Which, strictly between 0 and 1.

    Raises
    ------
    ValueError
        If theta has another shape, or a quantile is out of range.
    """
    theta, quantiles = checks.as_array("theta", theta, ("M", "n", "P")), check_quantiles(quantiles)
    for name, length, least in zip("MnP", theta.shape, (1, 2, 1)):
        checks.check_count(f"theta: {name}", length, least=least)
    mean = theta.mean(axis=1)                                                                 # (2)
    deviation = theta - mean[:, None]
    covariance = np.einsum("isp,isq->ipq", deviation, deviation) / (theta.shape[1] - 1)       # (3)
    return Summary(mean, covariance, np.moveaxis(np.quantile(theta, quantiles, axis=1), 0, 1))        # (4)


def summarise(posterior: Posterior, x: Array, *, seed: int, n_samples: int = 1000,
              quantiles: Sequence[float] = (0.16, 0.5, 0.84), first: int = 0,
              out: str | PathLike | None = None,
              chunk_size: int | None = None, progress: bool = False) -> Catalogue:
    """Summarise the posterior of every object of a catalogue.

    If the run is interrupted (Ctrl-C), the objects that are finished are returned, with a warning that says
    how many; KeyboardInterrupt is raised again if none is finished.

    Parameters
    ----------
    posterior : npe.Posterior or deep_ensemble.Ensemble
    x : (N, D) float
        Host array, memmap, or anything else that has a shape and gives rows as arrays when it is sliced;
        never loaded whole.
    seed : int
        Together with an object's number it decides its draws.
    n_samples : int
        n.
    quantiles : sequence of float
        Which, strictly between 0 and 1.
    first : int
        The number of x's first row in the whole catalogue, so that parts of it can be done apart, with the
        same results.
    out : path, optional
        A folder for the results, one .npy file each. A call with the same arguments continues an earlier one.
    chunk_size : int, optional
        How many objects are computed at a time; no result depends on it.
    progress : bool
        Show a progress bar (tqdm).

    Raises
    ------
    CatalogueError
        If something fails on the way. It holds what was finished, and says how to continue.
    ValueError
        If x is not (N, D) or holds no float32 or float64 numbers, a setting is out of range, or `out` holds
        another run.
    """
    quantiles = check_quantiles(quantiles)
    checks.check_count("n_samples", n_samples, least=2)
    dim = members_of(posterior)[0].prior.dim

    def results(theta):
        return summary(theta, quantiles)._asdict()
    fields = {"mean": (dim,), "covariance": (dim, dim), "quantiles": (len(quantiles), dim)}
    return stream(posterior, x, results, Catalogue, fields, "summaries", {"quantiles": quantiles.tolist()},
                  seed=seed, n_samples=n_samples, first=first, out=out, chunk_size=chunk_size,
                  progress=progress)


def sample(posterior: Posterior, x: Array, *, seed: int, n_samples: int = 1000, first: int = 0,
           out: str | PathLike | None = None, chunk_size: int | None = None,
           progress: bool = False) -> Samples:
    """Sample the posterior of every object of a catalogue.

    Parameters
    ----------
    posterior, x, seed, n_samples, first, out, chunk_size, progress
        As in `summarise`.

    Raises
    ------
    CatalogueError, ValueError
        As in `summarise`.
    """
    checks.check_count("n_samples", n_samples)
    fields = {"theta": (n_samples, members_of(posterior)[0].prior.dim)}
    return stream(posterior, x, lambda theta: {"theta": theta}, Samples, fields, "samples", {}, seed=seed,
                  n_samples=n_samples, first=first, out=out, chunk_size=chunk_size, progress=progress)


def load(out: str | PathLike) -> Catalogue | Samples:
    """The results in a folder, as memmaps: of all objects that are finished.

    Parameters
    ----------
    out : path
        The folder.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no results in it.
    ValueError
        If it holds anything else.
    """
    kind, arrays = read(out)
    return {"summaries": Catalogue, "samples": Samples}[kind](**arrays)


def check_quantiles(quantiles):
    quantiles = checks.as_array("quantiles", quantiles, ("Q",)).astype(np.float64)
    checks.check_count("quantiles: number", len(quantiles))
    if not ((quantiles > 0) & (quantiles < 1)).all():
        raise ValueError(f"quantiles: expected numbers strictly between 0 and 1, got {quantiles.tolist()}")
    return quantiles
