"""A density known up to a constant, on a grid: its bulk, its integral, and samples.

The mathematics is in `reference.numerics.grid`. Same values; the grid is small and stays on the host in
float64. Samples are drawn where rng draws: one search in the running sum, then arithmetic in place.

Example
-------
>>> import numpy as np
>>> from accel.numerics.grid import fit_grid
>>> grid = fit_grid(lambda theta: -0.5 * (theta[:, 0] - 3)**2, [-50], [50], n_nodes=101)
>>> print(np.round(np.exp(grid.log_integral)**2 / 2, 4))
3.1416
>>> grid.sample(np.random.default_rng(0), 4).shape
(4, 1)
"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from accel.device import array_module, like
from accel.priors.box_uniform import strictly_inside
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

__all__ = ["Grid", "fit_grid"]

DEPTH, MAX_ROUNDS = 18.0, 100


class Grid(NamedTuple):
    """A density on its nodes, on the host.

    Attributes
    ----------
    nodes : list of (K,) float
        One array for each dimension.
    cumulative : (Kᵈ,) float
        The running sum of the nodes' probabilities, the last dimension fastest.
    log_integral : float
        Of f, by (2).
    """
    nodes: list
    cumulative: np.ndarray
    log_integral: float

    def sample(self, rng: Rng, n: int) -> Array:
        """n draws by (3), (n, d), strictly inside the box of the nodes.

        Parameters
        ----------
        rng : Generator
        n : int

        Raises
        ------
        ValueError
            If n is not a whole number above zero.
        """
        uniform = rng.random((checks.check_count("n", n), 1 + 2 * len(self.nodes)))
        xp, dtype = array_module(uniform), uniform.dtype
        first = uniform[:, 0].astype(np.float64, copy=False)
        flat = xp.searchsorted(xp.asarray(self.cumulative[:-1]), first, side="right")
        theta = xp.empty((n, len(self.nodes)), dtype=dtype)
        for axis in range(len(self.nodes) - 1, -1, -1):
            nodes, column = self.nodes[axis], uniform[:, 1 + 2 * axis]
            flat, k = flat // len(nodes), flat % len(nodes)
            column += uniform[:, 2 + 2 * axis]
            column -= 1
            column *= float(nodes[1] - nodes[0])
            column += like(theta, nodes)[k]                                       # (3)
            for bound, sign in ((float(nodes[0]), 1), (float(nodes[-1]), -1)):    # reflected
                column -= bound
                xp.abs(column, out=column)
                column *= sign
                column += bound
            theta[:, axis] = column
        low, high = (np.array([nodes[end] for nodes in self.nodes]) for end in (0, -1))
        return strictly_inside(theta, low, high, out=theta)


def fit_grid(log_density: Callable[[Array], Array], low: Array, high: Array, *, n_nodes: int) -> Grid:
    """The grid of a density over its bulk inside a box.

    Parameters
    ----------
    log_density : callable
        θ (M, d) → log f (M,) in nats, up to a constant; host arrays in float64.
    low, high : (d,) float
    n_nodes : int
        K, for each dimension; at least 11.

    Raises
    ------
    ValueError
        If n_nodes is not such a number.
    """
    checks.check_count("n_nodes", n_nodes, least=11)
    bulk = find_bulk(log_density, low, high, n_nodes=max(11, n_nodes // 4))
    nodes, log_f = evaluate(log_density, *bulk, n_nodes)
    peak, cell = log_f.max(), np.prod([x[1] - x[0] for x in nodes])
    density = log_f - peak                                            # log_f is the caller's
    np.exp(density, out=density)
    for axis in range(density.ndim):
        np.moveaxis(density, axis, 0)[[0, -1]] *= 0.5
    cumulative = np.cumsum(density)
    log_integral = float(peak + np.log(cumulative[-1] * cell))                    # (2)
    return Grid(nodes, cumulative / cumulative[-1], log_integral)


def evaluate(log_density, low, high, n_nodes):
    """The nodes (1), and log f on their product, (K, …, K)."""
    nodes = [np.linspace(a, b, n_nodes) for a, b in zip(low, high)]               # (1)
    theta = np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1)
    return nodes, log_density(theta.reshape(-1, len(nodes))).reshape(theta.shape[:-1])


def find_bulk(log_density, low, high, *, n_nodes):
    """The box (low, high), two tuples, that remains when no cut takes more than a fifth of a side."""
    for _ in range(MAX_ROUNDS):
        nodes, log_f = evaluate(log_density, low, high, n_nodes)
        kept = np.nonzero(log_f >= log_f.max() - DEPTH - drop_beside_peak(log_f))
        ends = [(max(k.min() - 1, 0), min(k.max() + 1, n_nodes - 1)) for k in kept]
        low, high = zip(*((x[first], x[last]) for x, (first, last) in zip(nodes, ends)))
        if min((b - a) / (x[-1] - x[0]) for a, b, x in zip(low, high, nodes)) > 0.8:
            break
    return low, high


def drop_beside_peak(log_f):
    """The largest drop of log f from its highest node to a neighbour of that node."""
    peak, drops = np.unravel_index(np.argmax(log_f), log_f.shape), []
    for axis, k in enumerate(peak):
        line = np.moveaxis(log_f, axis, -1)[tuple(i for j, i in enumerate(peak) if j != axis)]
        drops += [log_f.max() - line[i] for i in (k - 1, k + 1) if 0 <= i < len(line)]
    return max(drops)
