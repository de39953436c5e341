"""Posterior summaries of a whole catalogue: mean, covariance and quantiles of each object, from draws that are its own.

The mathematics is in `reference.inference.catalogue`. Same numbers; objects are drawn and summarised many at a time. On a CPU they go in
groups of a fixed size (those of other rows filled up), since a matrix product may round an object by how many stand beside it: so here
too no bit depends on the chunks. On a device, chunks of 4 million draws are on their way at once, one uploaded, one computed and one
brought home (`pipeline.py`); one kernel summarises them, a block for each object (`catalogue.cu`), and array code where that cannot;
there the draws of an object do not depend on the chunks, and its results do no more than a matrix product's rounding does. If the device
has no room for a chunk, the next try is with half of it.
"""
import math
import warnings
from functools import partial
from typing import NamedTuple

import numpy as np

from accel.kernels import cuda
from accel.runtime import checks
from accel.runtime.philox import PhiloxGenerator
from accel.runtime.progress import progress_bar
from accel.runtime.tree import leaves
from accel.density import mdn
from accel.device import array_module, single_blas_thread, to_host
from accel.inference import npe
from accel.kernels.catalogue import launch as catalogue_kernel, pipeline
from accel.runtime._rows import Rows, check_table, fingerprint, fingerprint_of_rows, read

__all__ = ["BAD_INPUT", "FAR", "BAD_RESULT", "Summary", "Catalogue", "Samples", "CatalogueError", "summary", "summarise", "sample", "load"]

BAD_INPUT, FAR, BAD_RESULT = 1, 2, 4
CALL = 2**56
DRAWS, DRAWS_ON_DEVICE, NUMBERS = 1 << 13, 1 << 22, 1 << 26           # of a group on a CPU, of a chunk on a device; of x in either


class Summary(NamedTuple):
    """mean (M, P), covariance (M, P, P) and quantiles (M, Q, P) of draws."""
    mean: np.ndarray
    covariance: np.ndarray
    quantiles: np.ndarray


class Catalogue(NamedTuple):
    """What is known of each object, on the host; from a folder as memmaps."""
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


def summary(theta, quantiles=(0.16, 0.5, 0.84)):
    """Mean, covariance and quantiles of draws theta (M, n, P), n of at least two."""
    theta, quantiles = checks.as_array("theta", theta, ("M", "n", "P")), check_quantiles(quantiles)
    for name, length, least in (("M", len(theta), 1), ("n", theta.shape[1], 2), ("P", theta.shape[2], 1)):
        checks.check_count(f"theta: {name}", length, least=least)
    return Summary(*summarised(theta, *ranks(array_module(theta), quantiles, theta.shape[1], theta.dtype)))


def ranks(xp, quantiles, n, dtype):
    """⌊h⌋ and h − ⌊h⌋ of (4), both (Q,)."""
    h = quantiles * (n - 1)
    return xp.asarray(np.floor(h), dtype=np.int32), xp.asarray(h - np.floor(h), dtype=dtype)


@np.errstate(over="ignore", invalid="ignore")
def summarised(theta, below, weight):
    """(2)–(4) of theta (M, n, P); what overflows is flagged."""
    xp, n = array_module(theta), theta.shape[1]
    if cuda.wanted(xp) and catalogue_kernel.fits(theta):
        return catalogue_kernel.summary(theta, below, weight)
    columns = xp.ascontiguousarray(theta.transpose(0, 2, 1))
    mean = columns.mean(axis=2)
    deviation = columns - mean[:, :, None]
    covariance = deviation @ deviation.transpose(0, 2, 1)
    covariance /= n - 1
    above = xp.minimum(below + 1, n - 1)
    if xp is np:
        columns.partition(np.unique([*below, *above, n - 1]), axis=2)
    else:
        columns.sort(axis=2)
    low, high = xp.take(columns, below, axis=2), xp.take(columns, above, axis=2)
    step = high - low
    quantiles = xp.where(weight < 0.5, low + step * weight, high - step * (1 - weight))
    quantiles = xp.where(xp.isnan(columns[:, :, -1:]), columns[:, :, -1:], quantiles)                 # NaN is sorted to the end
    return mean, covariance, quantiles.transpose(0, 2, 1)


def summarise(posterior, x, *, seed, n_samples=1000, quantiles=(0.16, 0.5, 0.84), first=0, out=None, chunk_size=None, progress=False):
    """Summarise the posterior of every object of a catalogue."""
    quantiles = check_quantiles(quantiles)
    checks.check_count("n_samples", n_samples, least=2)
    dim, like = members_of(posterior)[0].prior.dim, npe.data_moments(members_of(posterior)[0])
    below, weight = ranks(array_module(like), quantiles, n_samples, like.dtype)

    def results(theta):
        return Summary(*summarised(theta, below, weight))._asdict()
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
    """The Catalogue or the Samples in a folder, as memmaps: of all objects that are finished."""
    kind, arrays = read(out)
    return {"summaries": Catalogue, "samples": Samples}[kind](**arrays)


def stream(posterior, x, results, kind, fields, settings, seed, n_samples, first, out, chunk_size, progress):
    """{field: (N, …)}: `results` makes fields of θ (M, n, P), `fields` has the shape of each for one object."""
    like = npe.data_moments(members_of(posterior)[0])
    x = check_table(x, len(like))
    if any(member.support is None for member in members_of(posterior)):
        warnings.warn("the posterior was saved without its support, so that no object is flagged as far", stacklevel=3)
    checks.check_count("first", first, least=0)
    xp, dtype, width = array_module(like), like.dtype, len(like)
    most = max(1, min((DRAWS if xp is np else DRAWS_ON_DEVICE) // n_samples, NUMBERS // width))
    chunk = most if chunk_size is None else checks.check_count("chunk_size", chunk_size)
    identity = {"seed": PhiloxGenerator(seed).seed, "n_samples": int(n_samples), "first": int(first), **settings, "dtype": str(dtype),
                "posterior": fingerprint(numbers_of(posterior)), "x": fingerprint_of_rows(x)}
    fields = {name: (shape, dtype) for name, shape in (fields | {"distance": ()}).items()} | {"flag": ((), np.uint8)}
    rows = Rows(kind, fields, len(x), identity, out)
    bar = progress_bar(progress, len(x), unit="object", done=rows.done, abbreviate=True)
    work = {"stage": partial(stage, x, to_host(like)), "compute": partial(compute, posterior, results, seed, n_samples), "settle": settle}
    try:
        if xp is np:
            in_groups(rows, width, dtype, chunk, most, first, bar=bar, **work)
        else:
            object_bytes = n_samples * members_of(posterior)[0].prior.dim * dtype.itemsize
            pipeline.run(xp, rows, width, dtype, chunk, first, object_bytes, bar=bar, **work)
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


def in_groups(rows, width, dtype, chunk, group, first, stage, compute, settle, bar):
    """Fill rows from where they stand: object i always as number i mod `group` of so many, whatever stands in the other places."""
    buffer = np.zeros((group, width), dtype)
    with single_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        while rows.done < rows.n:
            start, place = rows.done, (first + rows.done) % group
            stop = min(start + chunk, start + group - place, rows.n)
            here = slice(place, place + stop - start)
            flag = stage(start, stop, buffer[here])
            found = compute(buffer, first + start - place)
            rows.write(settle({name: field[here] for name, field in found.items()}, flag))
            bar.update(stop - start)


def stage(x, typical, start, stop, out):
    """Objects start to stop into out, (m, D), and their flags so far; one that is not finite gives its place to the typical one."""
    with np.errstate(over="ignore", invalid="ignore"):
        out[...] = x[start:stop]
    bad = ~np.isfinite(out).all(axis=1)
    out[bad] = typical
    return BAD_INPUT * bad.astype(np.uint8)


def compute(posterior, results, seed, n, x, first):
    """The fields of objects x (M, D) from number `first` on, where x lives."""
    found = results(draw(posterior, Numbers(seed, first, len(x), x), n, x))
    xp, distance = array_module(x), None
    for member in members_of(posterior):
        ours = npe.distance(member, x) if member.support is not None else xp.full(len(x), np.nan, dtype=x.dtype)
        distance = ours if distance is None else xp.maximum(distance, ours)
    return found | {"distance": distance}


def settle(found, flag):
    """What is to be written of the fields that came home, and the flags."""
    bad = flag == BAD_INPUT
    for name in ("mean", "covariance", "theta"):
        if name in found:
            flag[~np.isfinite(found[name]).all(axis=tuple(range(1, found[name].ndim))) & ~bad] |= BAD_RESULT
    flag[(found["distance"] > 1) & ~bad] |= FAR
    for field in found.values():
        field[bad] = np.nan
    return found | {"flag": flag}


def draw(posterior, numbers, n, x):
    """(1) for each row of x (M, D): (M, n, P)."""
    members, weights = members_of(posterior), getattr(posterior, "weights", np.ones(1))
    member = np.searchsorted(np.cumsum(weights) / np.sum(weights), (np.arange(n) + 0.5) / n, side="right")
    drawn = []
    for m, count in zip(members, np.bincount(member, minlength=len(members)).tolist()):
        if count:
            needed = count * m.prior.unconstrained_dim
            whole = needed % 4 == 0 and m.density is not mdn          # one call of whole blocks: then kernels can draw inside
            drawn.append(npe.draw(m, numbers.place(needed) if whole else numbers, count, x))
    return drawn[0] if len(drawn) == 1 else array_module(x).concatenate(drawn, axis=1)


class Numbers:
    """The numbers of m objects from number `first` on, call by call (5), where `like` lives and in its dtype."""

    def __init__(self, seed, first, m, like):
        self.generator, self.first, self.m, self.call = PhiloxGenerator(seed, like=like), first, m, 0

    def random(self, size):
        return self._of_each(self.generator.random, size)

    def standard_normal(self, size):
        return self._of_each(self.generator.standard_normal, size)

    def place(self, n):
        """The generator, where the next call, of n numbers for each object, starts."""
        self.generator.block = CALL * self.call + self.first * -(-n // 4)
        self.call += 1
        return self.generator

    def _of_each(self, draw, size):
        n = math.prod(size if isinstance(size, tuple) else (size,)) // self.m
        self.place(n)
        return draw((self.m, -(-n // 4) * 4))[:, :n].reshape(size)


def members_of(posterior):
    return getattr(posterior, "members", (posterior,))


def numbers_of(posterior):
    """The arrays that it consists of, on the host."""
    return [to_host(array) for member in members_of(posterior) for _, array in leaves([member.params, member.whitening, member.scaling])]


def check_quantiles(quantiles):
    quantiles = checks.as_array("quantiles", quantiles, ("Q",)).astype(np.float64)
    checks.check_count("quantiles: number", len(quantiles))
    if not ((quantiles > 0) & (quantiles < 1)).all():
        raise ValueError(f"quantiles: expected numbers strictly between 0 and 1, got {quantiles.tolist()}")
    return quantiles
