"""Cluster table: what each cluster is made of, and how much of each class it holds.

The mathematics is in `reference.representation.clusters`. Same values; the counts are one pass where the
assignment lives, a histogram of the single numbers C aᵢ + yᵢ; the reference compares every object K C times.
Of the N objects only the smallest and the largest numbers and the purity reach the host, and the table when
its text is asked for. Fractions and shares are float64.

Example
-------
>>> from accel.representation import clusters
>>> table = clusters.cluster_table([0, 0, 1, 1, 1], [1, 0, 1, 1, 1])
>>> table.counts
array([[1, 1],
       [0, 3]])
>>> table.purity
0.8
"""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from accel.device import array_module, to_host
from accel.runtime import checks
from accel.runtime.protocols import Array

__all__ = ["ClusterTable", "cluster_table"]


class ClusterTable(NamedTuple):
    """The table of an assignment.

    Attributes
    ----------
    counts : (K, C) int
    fraction : (K, C) float
        Rows sum to one; NaN for an empty cluster.
    share : (K, C) float
        Columns sum to one; NaN for an empty class.
    purity : float
    """
    counts: Array
    fraction: Array
    share: Array
    purity: float

    def text(self, names: Sequence[str] | None = None) -> str:
        """The table as text that Markdown renders, a row for each cluster, the purest first.

        A cell holds fraction and share in per cent, or a dot where it is empty.

        Parameters
        ----------
        names : sequence of str, optional
            Of the classes; by default their numbers.

        Raises
        ------
        ValueError
            If there is not one name for each class.
        """
        counts, fraction, share = to_host((self.counts, self.fraction, self.share))
        n_clusters, n_classes = counts.shape
        names = [str(c) for c in range(n_classes)] if names is None else list(names)
        if len(names) != n_classes:
            raise ValueError(f"names: expected {n_classes}, one for each class, got {len(names)}")
        rows = [["cluster", "size", *names]]
        for k in purest_first(counts):
            cells = [cell(*pair) for pair in zip(fraction[k], share[k], strict=True)]
            rows.append([str(k), str(counts[k].sum()), *cells])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["| " + " | ".join(word.rjust(width) for word, width in zip(row, widths, strict=True)) + " |"
                 for row in rows]
        rule = "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|"
        legend = f"In a cell: fraction of the cluster, share of the class. Purity {100 * self.purity:.1f} %."
        return "\n".join([lines[0], rule, *lines[1:], "", legend])


def cluster_table(assignment: Array, labels: Array, *, n_clusters: int | None = None,
                  n_classes: int | None = None) -> ClusterTable:
    """What each cluster is made of.

    Parameters
    ----------
    assignment : (N,) int
        The cluster of each object, from 0.
    labels : (N,) int
        The class of each object, from 0.
    n_clusters, n_classes : int, optional
        K and C; by default one more than the largest number that occurs.

    Raises
    ------
    ValueError
        If an argument is not as above, the two differ in length, or a number is not below K or C.
    """
    xp = array_module(assignment, labels)
    a, y = checked("assignment", assignment, xp), checked("labels", labels, xp)
    if a.shape != y.shape:
        raise ValueError(f"labels: expected shape {a.shape}, as that of the assignment, got {y.shape}")
    n_clusters = size("n_clusters", n_clusters, "assignment", a)
    n_classes = size("n_classes", n_classes, "labels", y)
    both = a * n_classes
    both += y
    counts = xp.bincount(both, minlength=n_clusters * n_classes).reshape(n_clusters, n_classes)       # (1)
    with np.errstate(invalid="ignore"):                               # 0/0 is NaN: an empty cluster or class
        fraction = counts / counts.sum(axis=1, keepdims=True)         # (2)
        share = counts / counts.sum(axis=0)                           # (3)
    purity = float(counts.max(axis=1).sum()) / len(a)                 # (4)
    return ClusterTable(counts, fraction, share, purity)


def purest_first(counts):
    """The clusters in order of their purity, empty ones last; ties in order of their number."""
    sizes = np.sum(counts, axis=1)
    return np.argsort(-np.max(counts, axis=1) / np.maximum(sizes, 1), kind="stable")


def cell(fraction, share):
    """Both percentages of one cell; a dot for an empty one."""
    return "·" if not fraction > 0 else f"{100 * fraction:.0f} %, {100 * share:.0f} %"


def checked(name, value, xp):
    """Integers from 0, at least one of them, (N,)."""
    array = xp.asarray(value)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integers, got dtype {array.dtype}")
    checks.check_shape(name, array, ("N",))
    checks.check_count(f"{name}: number of objects", len(array))
    if array.min() < 0:
        raise ValueError(f"{name}: expected numbers from 0, got {int(array.min())}")
    return array.astype(np.int64, copy=False)


def size(name, value, of, array):
    """K or C: the value that is given, if everything is below it, or the smallest such."""
    least = int(array.max()) + 1
    if value is not None and checks.check_count(name, value) < least:
        raise ValueError(f"{name}: expected at least {least}, since {of} holds {least - 1}, got {value}")
    return least if value is None else value
