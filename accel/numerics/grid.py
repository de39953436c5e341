"""A density that is known up to a constant, on a grid: its bulk found, its integral taken, samples drawn.

The mathematics is in `reference.numerics.grid`. Same values; the grid is a small thing and stays on the host in float64, and the
samples are drawn where rng's numbers are born: one search in the running sum, then arithmetic in place.
"""
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.priors.box_uniform import strictly_inside
from accel.device import array_module, like

__all__ = ["Grid", "fit_grid"]

DEPTH, MAX_ROUNDS = 18.0, 100


class Grid(NamedTuple):
    """A density on its nodes, on the host."""
    nodes: list
    cumulative: np.ndarray
    log_integral: float

    def sample(self, rng, n):
        """n draws by (3), (n, d), strictly inside the box of the nodes."""
        uniform = rng.random((checks.check_count("n", n), 1 + 2 * len(self.nodes)))
        xp, dtype = array_module(uniform), uniform.dtype
        flat = xp.searchsorted(xp.asarray(self.cumulative[:-1]), uniform[:, 0].astype(np.float64, copy=False), side="right")
        theta = xp.empty((n, len(self.nodes)), dtype=dtype)
        for axis in range(len(self.nodes) - 1, -1, -1):
            nodes, column = self.nodes[axis], uniform[:, 1 + 2 * axis]
            flat, k = flat // len(nodes), flat % len(nodes)
            column += uniform[:, 2 + 2 * axis]
            column -= 1
            column *= float(nodes[1] - nodes[0])
            column += like(theta, nodes)[k]
            for bound, sign in ((float(nodes[0]), 1), (float(nodes[-1]), -1)):                        # reflected
                column -= bound
                xp.abs(column, out=column)
                column *= sign
                column += bound
            theta[:, axis] = column
        return strictly_inside(theta, *(np.array([nodes[end] for nodes in self.nodes]) for end in (0, -1)))


def fit_grid(log_density, low, high, *, n_nodes):
    """The grid of a density over its bulk inside a box; log_density is fed host arrays."""
    checks.check_count("n_nodes", n_nodes, least=11)
    nodes, log_f = evaluate(log_density, *find_bulk(log_density, low, high, n_nodes=max(11, n_nodes // 4)), n_nodes)
    peak, cell = log_f.max(), np.prod([x[1] - x[0] for x in nodes])
    log_f -= peak
    density = np.exp(log_f, out=log_f)
    for axis in range(density.ndim):
        np.moveaxis(density, axis, 0)[[0, -1]] *= 0.5
    cumulative = np.cumsum(density)
    return Grid(nodes, cumulative / cumulative[-1], float(peak + np.log(cumulative[-1] * cell)))


def evaluate(log_density, low, high, n_nodes):
    """The nodes (1), and log f on their product, (K, …, K)."""
    nodes = [np.linspace(a, b, n_nodes) for a, b in zip(low, high)]
    theta = np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1)
    return nodes, log_density(theta.reshape(-1, len(nodes))).reshape(theta.shape[:-1])


def find_bulk(log_density, low, high, *, n_nodes):
    """The box (low, high), two tuples, that is left when nothing more than a fifth of a side can be cut."""
    for _ in range(MAX_ROUNDS):
        nodes, log_f = evaluate(log_density, low, high, n_nodes)
        kept = np.nonzero(log_f >= log_f.max() - DEPTH - drop_beside_peak(log_f))
        low, high = zip(*((x[max(k.min() - 1, 0)], x[min(k.max() + 1, n_nodes - 1)]) for x, k in zip(nodes, kept)))
        if min((b - a) / (x[-1] - x[0]) for a, b, x in zip(low, high, nodes)) > 0.8:
            break
    return low, high


def drop_beside_peak(log_f):
    """By how much log f falls, at most, from its best node to the neighbours of that node."""
    peak, drops = np.unravel_index(np.argmax(log_f), log_f.shape), []
    for axis, k in enumerate(peak):
        line = np.moveaxis(log_f, axis, -1)[tuple(i for j, i in enumerate(peak) if j != axis)]
        drops += [log_f.max() - line[i] for i in (k - 1, k + 1) if 0 <= i < len(line)]
    return max(drops)
