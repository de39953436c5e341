"""Posterior summaries of a whole catalogue: mean, covariance and quantiles of each object, from draws that are its own.

    (1)  θᵢₛ ~ q(θ|xᵢ),   s = 1 … n                            n draws for object i
    (2)  mᵢ = (1/n) ∑ₛ θᵢₛ
    (3)  Cᵢ = 1/(n−1) ∑ₛ (θᵢₛ − mᵢ)(θᵢₛ − mᵢ)ᵀ
    (4)  t = θ₍ₖ₎ + (h − k)(θ₍ₖ₊₁₎ − θ₍ₖ₎),   h = p(n−1),  k = ⌊h⌋      the p-quantile of one parameter, its draws sorted
    (5)  call number l for object i starts at block 2⁵⁶ l + i ⌈F/4⌉ of a PhiloxGenerator, of F numbers in that call
    (6)  member(s) = the first m with w₁ + … + wₘ > (s − ½)/n   of an ensemble: its members share the draws by weight

By (5) what object i draws is a function of the seed and of i alone: not of how many objects there are, how they are cut into
chunks, or in how many sittings or on how many machines (`first`) the work is done. A run that was interrupted goes on where it stood.

Every object has a flag, the sum of what holds for it, so that 0 is good:

    BAD_INPUT = 1      x has NaN or inf: nothing is computed, its results are NaN
    FAR = 2            its distance from the simulations is above 1: the posterior extrapolates, do not trust it (preprocessing.training_domain)
    BAD_RESULT = 4     a mean or covariance is not finite although x is

Shapes        N objects, D data, n draws, P parameters, Q quantiles; x (N, D), θ (M, n, P).
Conventions   covariance divides by n − 1; quantiles are NumPy's, "linear". The covariance is that of the draws: q's own, to 1/√n.
Source        "Parallel random numbers: as easy as 1, 2, 3", Salmon, Moraes, Dror, Shaw, 2011, for (5); the rest is known to all.
Departures    (6) is systematic where Ensemble.sample draws the member of each sample: the same expectation, less noise.
"""
import math
import warnings
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.philox import PhiloxGenerator
from reference.runtime.progress import progress_bar
from reference.runtime.tree import leaves
from reference.inference import npe
from reference.runtime._rows import Rows, check_table, fingerprint, fingerprint_of_rows, read

__all__ = ["BAD_INPUT", "FAR", "BAD_RESULT", "Summary", "Catalogue", "Samples", "CatalogueError", "summary", "summarise", "sample", "load"]

BAD_INPUT, FAR, BAD_RESULT = 1, 2, 4
CALL, CHUNK = 2**56, 1000


class Summary(NamedTuple):
    """mean (M, P), covariance (M, P, P) and quantiles (M, Q, P) of draws."""
    mean: np.ndarray
    covariance: np.ndarray
    quantiles: np.ndarray


class Catalogue(NamedTuple):
    """What is known of each object, on the host; from a folder as memmaps.

    Attributes
    ----------
    mean : (N, P) float
    covariance : (N, P, P) float
    quantiles : (N, Q, P) float
    distance : (N,) float
        From the simulations, above 1 if all but one in a thousand are nearer; of an ensemble the largest; NaN if it cannot tell.
    flag : (N,) uint8
    """
    mean: np.ndarray
    covariance: np.ndarray
    quantiles: np.ndarray
    distance: np.ndarray
    flag: np.ndarray


class Samples(NamedTuple):
    """The draws of each object, theta (N, n, P), and its distance and flag as in a Catalogue."""
    theta: np.ndarray
    distance: np.ndarray
    flag: np.ndarray


class CatalogueError(RuntimeError):
    """The work failed. Has `finished`, a Catalogue or Samples of the objects before the one that failed."""

    def __init__(self, message, finished):
        super().__init__(message)
        self.finished = finished


@np.errstate(over="ignore", invalid="ignore")
def summary(theta, quantiles=(0.16, 0.5, 0.84)):
    """Mean, covariance and quantiles of draws theta (M, n, P), n of at least two."""
    theta, quantiles = checks.as_array("theta", theta, ("M", "n", "P")), check_quantiles(quantiles)
    for name, length, least in (("M", len(theta), 1), ("n", theta.shape[1], 2), ("P", theta.shape[2], 1)):
        checks.check_count(f"theta: {name}", length, least=least)
    mean = theta.mean(axis=1)                                                     # (2)
    deviation = theta - mean[:, None]
    covariance = np.einsum("isp,isq->ipq", deviation, deviation) / (theta.shape[1] - 1)     # (3)
    return Summary(mean, covariance, np.moveaxis(np.quantile(theta, quantiles, axis=1), 0, 1))        # (4)


def summarise(posterior, x, *, seed, n_samples=1000, quantiles=(0.16, 0.5, 0.84), first=0, out=None, chunk_size=None, progress=False):
    """Summarise the posterior of every object of a catalogue.

    Parameters
    ----------
    posterior : npe.Posterior or ensemble.Ensemble
    x : (N, D) float
        Host array, memmap, or whatever else has a shape and gives rows as arrays when it is sliced; never loaded whole.
    seed : int
        Together with an object's number it decides its draws.
    n_samples : int
        n.
    quantiles : sequence of float
        Which, strictly between 0 and 1.
    first : int
        The number of x's first row in the whole catalogue, so that parts of it can be done apart, with the same results.
    out : path, optional
        A folder for the results, one .npy file each. A call with the same arguments goes on where an earlier one stood.
    chunk_size : int, optional
        How many objects are in work at a time; no result depends on it.
    progress : bool
        Show a progress bar (tqdm).

    Returns
    -------
    Catalogue
        If the run is interrupted (Ctrl-C), of the objects that are finished, with a warning that says how many; an interruption
        before any is goes on to the caller.

    Raises
    ------
    CatalogueError
        If something fails on the way. It holds what was finished, and says how to go on.
    ValueError
        If x is not (N, D) or holds no float32 or float64 numbers, a setting is out of range, or `out` holds another run.
    """
    quantiles = check_quantiles(quantiles)
    checks.check_count("n_samples", n_samples, least=2)
    dim = members_of(posterior)[0].prior.dim

    def results(theta):
        return summary(theta, quantiles)._asdict()
    fields = {"mean": (dim,), "covariance": (dim, dim), "quantiles": (len(quantiles), dim)}
    return Catalogue(**stream(posterior, x, results, "summaries", fields, {"quantiles": quantiles.tolist()}, seed, n_samples, first, out,
                              chunk_size, progress))


def sample(posterior, x, *, seed, n_samples=1000, first=0, out=None, chunk_size=None, progress=False):
    """Sample the posterior of every object of a catalogue: Samples; all else as in `summarise`."""
    checks.check_count("n_samples", n_samples)
    fields = {"theta": (n_samples, members_of(posterior)[0].prior.dim)}
    return Samples(**stream(posterior, x, lambda theta: {"theta": theta}, "samples", fields, {}, seed, n_samples, first, out,
                            chunk_size, progress))


def load(out):
    """The Catalogue or the Samples in a folder, as memmaps: of all objects that are finished.

    Raises
    ------
    ValueError
        If the folder holds none; FileNotFoundError if there is nothing.
    """
    kind, arrays = read(out)
    return {"summaries": Catalogue, "samples": Samples}[kind](**arrays)


def stream(posterior, x, results, kind, fields, settings, seed, n_samples, first, out, chunk_size, progress):
    """{field: (N, …)}, object by object: `results` makes fields of θ (M, n, P), `fields` has the shape of each for one object."""
    like = npe.data_moments(members_of(posterior)[0])
    x, dtype = check_table(x, len(like)), like.dtype
    if any(member.support is None for member in members_of(posterior)):
        warnings.warn("the posterior was saved without its support, so that no object is flagged as far", stacklevel=3)
    checks.check_count("first", first, least=0)
    chunk = CHUNK if chunk_size is None else checks.check_count("chunk_size", chunk_size)
    identity = {"seed": PhiloxGenerator(seed).seed, "n_samples": int(n_samples), "first": int(first), **settings, "dtype": str(dtype),
                "posterior": fingerprint(numbers_of(posterior)), "x": fingerprint_of_rows(x)}
    fields = {name: (shape, dtype) for name, shape in (fields | {"distance": ()}).items()} | {"flag": ((), np.uint8)}
    rows = Rows(kind, fields, len(x), identity, out)
    bar = progress_bar(progress, len(x), unit="object", done=rows.done, abbreviate=True)
    try:
        while rows.done < len(x):
            with np.errstate(over="ignore", invalid="ignore"):
                part = np.asarray(x[rows.done:rows.done + chunk]).astype(dtype)
                found = [one(posterior, x_i, results, fields, n_samples, Numbers(seed, first + rows.done + i, dtype))
                         for i, x_i in enumerate(part)]
            rows.write({name: np.stack([f[name] for f in found]) for name in fields})
            bar.update(len(part))
    except KeyboardInterrupt:
        if not rows.done:
            raise
        warnings.warn(f"interrupted; the {rows.done} of {len(x)} objects that were finished are returned; {rows.advice(first)}",
                      stacklevel=3)
    except Exception as error:
        kept = {"summaries": Catalogue, "samples": Samples}[kind](**rows.finished())
        raise CatalogueError(f"failed with {type(error).__name__}: {error}; {rows.done} of {len(x)} objects were finished and are in "
                             f".finished; {rows.advice(first)}", kept) from error
    finally:
        rows.save()
        bar.close()
    return rows.finished()


def one(posterior, x, results, fields, n_samples, numbers):
    """What is to be known of one object x (D,): {field: …}."""
    if not np.isfinite(x).all():
        return {name: np.full(shape, np.nan) for name, (shape, _) in fields.items()} | {"flag": BAD_INPUT}
    found = {name: values[0] for name, values in results(draw(posterior, numbers, n_samples, x[None])).items()}
    distances = [npe.distance(member, x[None])[0] for member in members_of(posterior) if member.support is not None]
    distance = max(distances) if len(distances) == len(members_of(posterior)) else np.nan
    finite = all(np.isfinite(found[name]).all() for name in ("mean", "covariance", "theta") if name in found)
    return found | {"distance": distance, "flag": FAR * (distance > 1) + BAD_RESULT * (not finite)}


def draw(posterior, numbers, n, x):
    """(1) for each row of x (M, D): (M, n, P)."""
    members, weights = members_of(posterior), getattr(posterior, "weights", np.ones(1))
    member = np.searchsorted(np.cumsum(weights) / np.sum(weights), (np.arange(n) + 0.5) / n, side="right")          # (6)
    counts = np.bincount(member, minlength=len(members))
    return np.concatenate([npe.draw(m, numbers, int(count), x) for m, count in zip(members, counts) if count], axis=1)


class Numbers:
    """The numbers of one object, call by call (5), in the dtype of its posterior."""

    def __init__(self, seed, i, dtype):
        self.generator, self.i, self.call, self.dtype = PhiloxGenerator(seed), i, 0, dtype

    def random(self, size):
        return self._at(size).random(size).astype(self.dtype)

    def standard_normal(self, size):
        return self._at(size).standard_normal(size).astype(self.dtype)

    def _at(self, size):
        self.generator.block = CALL * self.call + self.i * -(-math.prod(np.atleast_1d(size).tolist()) // 4)         # (5)
        self.call += 1
        return self.generator


def members_of(posterior):
    return getattr(posterior, "members", (posterior,))


def numbers_of(posterior):
    """The arrays that it consists of."""
    return [array for member in members_of(posterior) for _, array in leaves([member.params, member.whitening, member.scaling])]


def check_quantiles(quantiles):
    quantiles = checks.as_array("quantiles", quantiles, ("Q",)).astype(float)
    checks.check_count("quantiles: number", len(quantiles))
    if not ((quantiles > 0) & (quantiles < 1)).all():
        raise ValueError(f"quantiles: expected numbers strictly between 0 and 1, got {quantiles.tolist()}")
    return quantiles
