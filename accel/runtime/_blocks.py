"""Rows in blocks: array code whose temporaries are larger than a cache runs over a part of the rows at a
time.
"""
import numpy as np

__all__ = ["blocks"]


def blocks(n, xp=np, *, cpu, device=None):
    """The slices that cut n rows into blocks of `cpu` rows on the host and of `device` rows on a device;
    None: all at once.
    """
    most = cpu if xp is np else device or max(n, 1)
    return [slice(start, min(start + most, n)) for start in range(0, n, most)]
