"""Posterior summaries of a catalogue: mean, covariance and quantiles of each object, from its own draws.

The mathematics is in `reference.inference.catalogue`. Same numbers; objects are drawn and summarised many at
a time, see `inference.catalogue_stream`. On a device one kernel summarises them, a block for each object
(`kernels/catalogue`), and array code where that cannot.

Example
-------
>>> import numpy as np
>>> from accel.inference import catalogue
>>> theta = np.random.default_rng(0).standard_normal((3, 1000, 2)) + [10.0, 20.0]
>>> found = catalogue.summary(theta, quantiles=(0.16, 0.84))
>>> print(found.mean[0].round(1), found.quantiles[0].round(0).tolist())
[10. 20.] [[9.0, 19.0], [11.0, 21.0]]
"""
from collections.abc import Sequence
from os import PathLike
from typing import NamedTuple

import numpy as np

from accel.device import array_module
from accel.inference.catalogue_stream import (
    BAD_INPUT, BAD_RESULT, FAR, CatalogueError, members_of, stream)
from accel.inference.inputs import data_mean
from accel.kernels import cuda
from accel.kernels.catalogue import launch as catalogue_kernel
from accel.runtime import checks
from accel.runtime.protocols import Array, Posterior
from accel.runtime.rows import read

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
    return Summary(*summarised(theta, *ranks(array_module(theta), quantiles, theta.shape[1], theta.dtype)))


def ranks(xp, quantiles, n, dtype):
    """⌊h⌋ and h − ⌊h⌋ of (4), both (Q,)."""
    h = quantiles * (n - 1)
    return xp.asarray(np.floor(h), dtype=np.int32), xp.asarray(h - np.floor(h), dtype=dtype)


@np.errstate(over="ignore", invalid="ignore")
def summarised(theta, below, weight):
    """Mean, covariance and quantiles of theta (M, n, P); what overflows is flagged."""
    xp, n = array_module(theta), theta.shape[1]
    if cuda.wanted(xp) and catalogue_kernel.fits(theta):
        return catalogue_kernel.summary(theta, below, weight)
    columns = theta.transpose(0, 2, 1).copy()                            # sorted below
    mean = columns.mean(axis=2)                                                               # (2)
    deviation = columns - mean[:, :, None]
    covariance = deviation @ deviation.transpose(0, 2, 1)
    covariance /= n - 1                                                                       # (3)
    above = xp.minimum(below + 1, n - 1)
    if xp is np:
        columns.partition(np.unique([*below, *above, n - 1]), axis=2)
    else:
        columns.sort(axis=2)
    low, high = xp.take(columns, below, axis=2), xp.take(columns, above, axis=2)
    step = high - low
    quantiles = xp.where(weight < 0.5, low + step * weight, high - step * (1 - weight))       # (4)
    highest = columns[:, :, -1:]                                      # NaN, where any is
    quantiles = xp.where(xp.isnan(highest), highest, quantiles)
    return mean, covariance, quantiles.transpose(0, 2, 1)


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
    member = members_of(posterior)[0]
    dim, like = member.prior.dim, data_mean(member)
    below, weight = ranks(array_module(like), quantiles, n_samples, like.dtype)

    def results(theta):
        return Summary(*summarised(theta, below, weight))._asdict()
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
