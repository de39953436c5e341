"""Priors as kernels take them: independent columns, each uniform, normal or log-normal.

    mapped(prior, dtype)    of the map from u to θ, for kernels/posterior
    drawn(prior, dtype)     of draws of θ, for kernels/rejection_abc

Both are None for a prior with other columns. A bound that the dtype does not hold is given as a head and a
tail.
"""
import numpy as np

from accel.kernels.prior_columns import LOG_NORMAL, NORMAL, UNIFORM
from accel.priors import BoxUniform, Independent, LogNormal, Normal
from accel.priors.box_uniform import extremes

__all__ = ["mapped", "drawn"]

KINDS = {BoxUniform: UNIFORM, Normal: NORMAL, LogNormal: LOG_NORMAL}


def parts_of(prior):
    """The priors side by side in it, None if a kernel does not know one of them."""
    if type(prior) is Independent:
        parts = [parts_of(part) for part in prior.parts]
        return None if None in parts else sum(parts, [])
    return [prior] if type(prior) in KINDS else None


def mapped(prior, dtype):
    """The kind of each column, (P,) int32, and seven constants of each, (P, 7); see `posterior.cu`."""
    parts = parts_of(prior)
    if parts is None:
        return None
    kinds = np.repeat([KINDS[type(part)] for part in parts], [part.dim for part in parts])
    return kinds.astype(np.int32), np.concatenate([_map_of(part, dtype) for part in parts]).astype(dtype)


def _map_of(part, dtype):
    """(dim, 7): scale, shift and its tail, top and its tail, least, most."""
    if type(part) is BoxUniform:
        low, high = (bound.astype(dtype) for bound in (part.low, part.high))
        edges = extremes(np.empty(0, dtype), part.low, part.high)
        return np.stack((part.high - part.low, low, part.low - low, high, part.high - high, *edges), axis=1)
    centre, scale = (part.mean, part.std) if type(part) is Normal else (part.mu, part.sigma)
    least, most = (np.full(part.dim, edge) for edge in (np.finfo(dtype).tiny, np.finfo(dtype).max))
    return np.stack((scale, centre, *3 * [0 * centre], least, most), axis=1)


def drawn(prior, dtype):
    """The calls of a chunk, [(kind, columns)], and a table (5, P): θ = z · scale + head + tail, clipped."""
    parts = parts_of(prior)
    if parts is None:
        return None
    table = np.concatenate([_draw_of(part, dtype) for part in parts], axis=1).astype(dtype)
    return [(KINDS[type(part)], part.dim) for part in parts], table


def _draw_of(part, dtype):
    """(5, dim): scale, head and tail, lowest, highest."""
    number = np.finfo(dtype)
    if type(part) is BoxUniform:
        head, edges = part.low.astype(dtype), extremes(np.empty(0, dtype), part.low, part.high)
        return np.stack((part.high - part.low, head, part.low - head, *edges))
    centre, scale = (part.mean, part.std) if type(part) is Normal else (part.mu, part.sigma)
    edges = (-np.inf, np.inf) if type(part) is Normal else (number.tiny, number.max)
    return np.stack((scale, centre, 0 * centre, *(np.full(part.dim, edge) for edge in edges)))
