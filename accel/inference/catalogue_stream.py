"""The objects of a catalogue, many at a time: their random numbers and draws, and runs that can continue.

The mathematics is in `reference.inference.catalogue_stream`. Same numbers. A matrix product may round a row
by how many rows stand beside it. So on a CPU objects are computed in groups of a fixed size, filled up with
other rows where some are missing, and no bit depends on the chunks. On a device three chunks of 4 million
draws are under way at once: one is uploaded, one computed and one downloaded
(`kernels/catalogue/pipeline.py`). There the draws of an object do not depend on the chunks, and its results
do so only by the rounding of a matrix product. If the device has no room for a chunk, the next try is with
half of it.

Example
-------
>>> import numpy as np
>>> from accel import priors
>>> from accel.inference import catalogue, npe
>>> rng = np.random.default_rng(0)
>>> theta = rng.standard_normal((60, 1))
>>> x = theta + 0.5 * rng.standard_normal((60, 1))
>>> prior = priors.Normal([0.0], [1.0])
>>> posterior = npe.fit(prior, theta, x, rng=rng, n_transforms=1, hidden=(4,), max_epochs=1)
>>> whole = catalogue.sample(posterior, x[:5], seed=1, n_samples=8)
>>> part = catalogue.sample(posterior, x[3:5], seed=1, n_samples=8, first=3)
>>> bool((whole.theta[3:] == part.theta).all())
True
"""
import math
import warnings
from functools import partial
from typing import NamedTuple

import numpy as np

from accel.density import mdn
from accel.device import array_module, to_host
from accel.inference import npe_posterior
from accel.inference.inputs import data_mean
from accel.kernels.catalogue import pipeline
from accel.runtime import blas, checks
from accel.runtime.philox import PhiloxGenerator
from accel.runtime.progress import progress_bar
from accel.runtime.rows import Rows, check_table, fingerprint, fingerprint_of_rows
from accel.runtime.tree import leaves

__all__ = []
SHARED = ["BAD_INPUT", "FAR", "BAD_RESULT", "CatalogueError", "stream", "draw", "members_of"]
__all__ += SHARED

BAD_INPUT, FAR, BAD_RESULT = 1, 2, 4
CALL = 2**56
DRAWS, DRAWS_ON_DEVICE = 1 << 13, 1 << 22                             # a group on a CPU, a chunk on a device
NUMBERS = 1 << 26                                                     # of x in either


class CatalogueError(RuntimeError):
    """A run that failed. Has `finished`, a Catalogue or Samples of the objects before the one that failed."""

    def __init__(self, message: str, finished: NamedTuple):
        super().__init__(message)
        self.finished = finished


def stream(posterior, x, results, record, fields, kind, settings, *, seed, n_samples, first, out, chunk_size,
           progress):
    """A record of all objects: results(θ (M, n, P)) gives its fields; `fields` has their shapes."""
    like = data_mean(members_of(posterior)[0])
    x = check_host_table(x, len(like))
    if any(member.training_domain is None for member in members_of(posterior)):
        warnings.warn("the posterior was saved without its training domain, so that no object is flagged "
                      "as far", stacklevel=3)
    checks.check_count("first", first, least=0)
    xp, dtype, width = array_module(like), like.dtype, len(like)
    most = max(1, min((DRAWS if xp is np else DRAWS_ON_DEVICE) // n_samples, NUMBERS // width))
    chunk = most if chunk_size is None else checks.check_count("chunk_size", chunk_size)
    identity = {"seed": PhiloxGenerator(seed).seed, "n_samples": int(n_samples), "first": int(first),
                **settings, "dtype": str(dtype), "posterior": fingerprint(numbers_of(posterior)),
                "x": fingerprint_of_rows(x)}
    fields = {name: (shape, dtype) for name, shape in (fields | {"distance": ()}).items()}
    fields |= {"flag": ((), np.uint8)}
    rows = Rows(kind, fields, len(x), identity, out)
    bar = progress_bar(progress, len(x), unit="object", done=rows.done, abbreviate=True)
    work = {"stage": partial(stage, x, to_host(like)), "settle": settle,
            "compute": partial(compute, posterior, results, seed, n_samples)}
    try:
        if xp is np:
            in_groups(rows, width, dtype, chunk, most, first, bar=bar, **work)
        else:
            object_bytes = n_samples * members_of(posterior)[0].prior.dim * dtype.itemsize
            pipeline.run(xp, rows, width, dtype, chunk, first, object_bytes, bar=bar, **work)
    except KeyboardInterrupt:
        if not rows.done:
            raise
        warnings.warn(f"interrupted; the {rows.done} of {len(x)} objects that were finished are returned; "
                      f"{rows.advice(first)}", stacklevel=3)
    except Exception as error:
        message = (f"failed with {type(error).__name__}: {error}; {rows.done} of {len(x)} objects were "
                   f"finished and are in .finished; {rows.advice(first)}")
        raise CatalogueError(message, record(**rows.finished())) from error
    finally:
        rows.save()
        bar.close()
    return record(**rows.finished())


def in_groups(rows, width, dtype, chunk, group, first, stage, compute, settle, bar):
    """Fill rows from where they stand, in groups: object i is always number i mod `group` of its group."""
    buffer = np.zeros((group, width), dtype)
    with blas.single_thread(), np.errstate(over="ignore", invalid="ignore"):
        while rows.done < rows.n:
            start, place = rows.done, (first + rows.done) % group
            stop = min(start + chunk, start + group - place, rows.n)
            here = slice(place, place + stop - start)
            flag = stage(start, stop, buffer[here])
            found = compute(buffer, first + start - place)
            rows.write(settle({name: field[here] for name, field in found.items()}, flag))
            bar.update(stop - start)


def stage(x, typical, start, stop, out):
    """Put objects start to stop into out, (m, D), the typical one for bad ones; return their flags."""
    with np.errstate(over="ignore", invalid="ignore"):
        out[...] = x[start:stop]
    bad = ~np.isfinite(out).all(axis=1)
    out[bad] = typical
    return BAD_INPUT * bad.astype(np.uint8)


def compute(posterior, results, seed, n, x, first):
    """The fields of objects x (M, D) from number `first` on, where x is."""
    found = results(draw(posterior, Numbers(seed, first, len(x), x), n, x))
    xp, distance = array_module(x), None
    for member in members_of(posterior):
        ours = xp.full(len(x), np.nan, dtype=x.dtype)
        if member.training_domain is not None:
            ours = npe_posterior.distance(member, x)
        distance = ours if distance is None else xp.maximum(distance, ours)
    return found | {"distance": distance}


def settle(found, flag):
    """What is to be written of the fields on the host, and the flags."""
    bad = flag == BAD_INPUT
    for name in ("mean", "covariance", "theta"):
        if name in found:
            finite = np.isfinite(found[name]).all(axis=tuple(range(1, found[name].ndim)))
            flag[~finite & ~bad] |= BAD_RESULT
    flag[(found["distance"] > 1) & ~bad] |= FAR
    for field in found.values():
        field[bad] = np.nan
    return found | {"flag": flag}


def draw(posterior, numbers, n, x):
    """n draws of θ for each row of x (M, D), with a generator for these objects: (M, n, P)."""
    members, weights = members_of(posterior), getattr(posterior, "weights", np.ones(1))
    share, drawn = (np.arange(n) + 0.5) / n, []
    member = np.searchsorted(np.cumsum(weights) / np.sum(weights), share, side="right")       # (6)
    for m, count in zip(members, np.bincount(member, minlength=len(members)).tolist()):
        if count:
            needed = count * m.prior.unconstrained_dim
            whole = needed % 4 == 0 and m.density is not mdn          # one call of whole blocks, for kernels
            rng = numbers.place(needed) if whole else numbers
            drawn.append(npe_posterior.draw(m, rng, count, x))
    return drawn[0] if len(drawn) == 1 else array_module(x).concatenate(drawn, axis=1)


class Numbers:
    """The numbers of m objects from number `first` on, call by call (5), where `like` is and in its dtype."""

    def __init__(self, seed, first, m, like):
        self.generator, self.first, self.m, self.call = PhiloxGenerator(seed, like=like), first, m, 0

    def random(self, size):
        return self._of_each(self.generator.random, size)

    def standard_normal(self, size):
        return self._of_each(self.generator.standard_normal, size)

    def place(self, n):
        """The generator, where the next call, of n numbers for each object, starts."""
        self.generator.block = CALL * self.call + self.first * -(-n // 4)                     # (5)
        self.call += 1
        return self.generator

    def _of_each(self, draw, size):
        n = math.prod(size if isinstance(size, tuple) else (size,)) // self.m
        self.place(n)
        return draw((self.m, -(-n // 4) * 4))[:, :n].reshape(size)


def members_of(posterior):
    """The posteriors of an ensemble, or a posterior as the only one."""
    return getattr(posterior, "members", (posterior,))


def numbers_of(posterior):
    """The arrays that a posterior consists of, on the host."""
    return [to_host(array) for member in members_of(posterior)
            for _, array in leaves([member.params, member.whitening, member.scaling])]


def check_host_table(x, width):
    """As `rows.check_table`, and a ValueError for a device array."""
    if array_module(x) is not np:
        raise ValueError("x: expected a host array, which is sent to the posterior's device in chunks, got a "
                         "device array")
    return check_table(x, width)
