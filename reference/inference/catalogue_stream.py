"""The objects of a catalogue, one after another: their random numbers and draws, and runs that can continue.

    (5)  call l for object i starts at block 2⁵⁶ l + i ⌈F/4⌉ of a counter-based generator    F: numbers in it
    (6)  member(s) = the first m with w₁ + … + wₘ > (s − ½)/n         of an ensemble, for draw s = 1 … n

By (5) the draws of an object depend on the seed and on its number i alone. By (6) the members of an ensemble
share the draws of an object in proportion to their weights.

Shapes        N objects, D data, n draws, P parameters; x (N, D), θ (M, n, P).
Conventions   the formulas are numbered as in `inference.catalogue`.
Source        (5) "Parallel random numbers: as easy as 1, 2, 3", Salmon, Moraes, Dror and Shaw, 2011.
Departures    (6) is systematic where Ensemble.sample draws the member of each sample: the same expectation,
              less noise.

Example
-------
>>> import numpy as np
>>> from reference import priors
>>> from reference.inference import catalogue, npe
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
from typing import NamedTuple

import numpy as np

from reference.inference import npe_posterior
from reference.inference.inputs import data_mean
from reference.runtime import checks
from reference.runtime.philox import PhiloxGenerator
from reference.runtime.progress import progress_bar
from reference.runtime.rows import Rows, check_table, fingerprint, fingerprint_of_rows
from reference.runtime.tree import leaves

__all__ = []
SHARED = ["BAD_INPUT", "FAR", "BAD_RESULT", "CatalogueError", "stream", "draw", "members_of"]
__all__ += SHARED

BAD_INPUT, FAR, BAD_RESULT = 1, 2, 4
CALL, CHUNK = 2**56, 1000


class CatalogueError(RuntimeError):
    """A run that failed. Has `finished`, a Catalogue or Samples of the objects before the one that failed."""

    def __init__(self, message: str, finished: NamedTuple):
        super().__init__(message)
        self.finished = finished


def stream(posterior, x, results, record, fields, kind, settings, *, seed, n_samples, first, out, chunk_size,
           progress):
    """A record of all objects: results(θ (M, n, P)) gives its fields; `fields` has their shapes."""
    like = data_mean(members_of(posterior)[0])
    x, dtype = check_table(x, len(like)), like.dtype
    if any(member.training_domain is None for member in members_of(posterior)):
        warnings.warn("the posterior was saved without its training domain, so that no object is flagged "
                      "as far", stacklevel=3)
    checks.check_count("first", first, least=0)
    chunk = CHUNK if chunk_size is None else checks.check_count("chunk_size", chunk_size)
    identity = {"seed": PhiloxGenerator(seed).seed, "n_samples": int(n_samples), "first": int(first),
                **settings, "dtype": str(dtype), "posterior": fingerprint(numbers_of(posterior)),
                "x": fingerprint_of_rows(x)}
    fields = {name: (shape, dtype) for name, shape in (fields | {"distance": ()}).items()}
    fields |= {"flag": ((), np.uint8)}
    rows = Rows(kind, fields, len(x), identity, out)
    bar = progress_bar(progress, len(x), unit="object", done=rows.done, abbreviate=True)
    try:
        while rows.done < len(x):
            with np.errstate(over="ignore", invalid="ignore"):
                part = np.asarray(x[rows.done:rows.done + chunk]).astype(dtype)
                numbers = [Numbers(seed, first + rows.done + i, dtype) for i in range(len(part))]
                found = [one(posterior, x_i, results, fields, n_samples, of_i)
                         for x_i, of_i in zip(part, numbers)]
            rows.write({name: np.stack([f[name] for f in found]) for name in fields})
            bar.update(len(part))
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


def one(posterior, x, results, fields, n_samples, numbers):
    """The fields of one object x (D,)."""
    if not np.isfinite(x).all():
        return {name: np.full(shape, np.nan) for name, (shape, _) in fields.items()} | {"flag": BAD_INPUT}
    members = members_of(posterior)
    theta = draw(posterior, numbers, n_samples, x[None])
    found = {name: values[0] for name, values in results(theta).items()}
    distances = [npe_posterior.distance(m, x[None])[0] for m in members if m.training_domain is not None]
    distance = max(distances) if len(distances) == len(members) else np.nan
    finite = all(np.isfinite(found[name]).all() for name in ("mean", "covariance", "theta") if name in found)
    return found | {"distance": distance, "flag": FAR * (distance > 1) + BAD_RESULT * (not finite)}


def draw(posterior, numbers, n, x):
    """n draws of θ for each row of x (M, D), with a generator for these objects: (M, n, P)."""
    members, weights = members_of(posterior), getattr(posterior, "weights", np.ones(1))
    share = (np.arange(n) + 0.5) / n
    member = np.searchsorted(np.cumsum(weights) / np.sum(weights), share, side="right")       # (6)
    counts = np.bincount(member, minlength=len(members))
    drawn = [npe_posterior.draw(m, numbers, int(count), x) for m, count in zip(members, counts) if count]
    return np.concatenate(drawn, axis=1)


class Numbers:
    """The random numbers of one object, call by call (5), in the dtype of its posterior."""

    def __init__(self, seed, i, dtype):
        self.generator, self.i, self.call, self.dtype = PhiloxGenerator(seed), i, 0, dtype

    def random(self, size):
        return self._at(size).random(size).astype(self.dtype)

    def standard_normal(self, size):
        return self._at(size).standard_normal(size).astype(self.dtype)

    def _at(self, size):
        n_blocks = -(-math.prod(np.atleast_1d(size).tolist()) // 4)
        self.generator.block = CALL * self.call + self.i * n_blocks                           # (5)
        self.call += 1
        return self.generator


def members_of(posterior):
    """The posteriors of an ensemble, or a posterior as the only one."""
    return getattr(posterior, "members", (posterior,))


def numbers_of(posterior):
    """The arrays that a posterior consists of."""
    return [array for member in members_of(posterior)
            for _, array in leaves([member.params, member.whitening, member.scaling])]
