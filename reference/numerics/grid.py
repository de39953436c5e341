"""A density known up to a constant, on a grid: its bulk, its integral, and samples.

    (1)  θ_k = low + k h,  k = 0 … K−1,  h = (high − low)/(K − 1)    nodes, in each dimension
    (2)  ∫ f(θ) dθ ≈ h ∑ₖ wₖ f(θ_k),  w = ½ at both ends, else 1      trapezoid rule, in each dimension
    (3)  node k with probability ∝ wₖ f(θ_k), then θ = θ_k + h (u + u′ − 1), reflected at both ends

u and u′ are uniform in (0, 1). The density of u + u′ − 1 is a triangle, so that (3) draws exactly from the
interpolation of f that is linear between nodes. Its variance is too large by h²/6: a quarter of a percent
with eight nodes to a standard deviation.

The nodes cover the bulk of f. A coarser grid, with a quarter of the nodes, is laid over the box; the box is
then cut to where log f > max − DEPTH, with one more node on each side. This is repeated until the box hardly
shrinks. While the nodes are too far apart to resolve the peak, the drop of log f from the highest node to its
neighbours is large. It is added to DEPTH, so that the cut removes nothing that a finer grid might need.

Shapes        d dimensions; θ (N, d); nodes d arrays (K,).
Conventions   log f in nats, finite or −inf; DEPTH = 18 leaves out less than 10⁻⁷ of a normal density.
Source        "Non-Uniform Random Variate Generation", Devroye, 1986, section III.2 (inversion of a discrete
              distribution).

Example
-------
>>> import numpy as np
>>> from reference.numerics.grid import fit_grid
>>> grid = fit_grid(lambda theta: -0.5 * (theta[:, 0] - 3)**2, [-50], [50], n_nodes=101)
>>> print(np.round(np.exp(grid.log_integral)**2 / 2, 4))
3.1416
>>> grid.sample(np.random.default_rng(0), 4).shape
(4, 1)
"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reference.priors.box_uniform import strictly_inside
from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = ["Grid", "fit_grid"]

DEPTH, MAX_ROUNDS = 18.0, 100


class Grid(NamedTuple):
    """A density on its nodes.

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
        flat = np.searchsorted(self.cumulative[:-1], uniform[:, 0], side="right")
        places, columns = np.unravel_index(flat, [len(nodes) for nodes in self.nodes]), []
        for nodes, k, u, v in zip(self.nodes, places, uniform[:, 1::2].T, uniform[:, 2::2].T):
            low, high = nodes[0], nodes[-1]
            theta = nodes[k] + (nodes[1] - nodes[0]) * (u + v - 1)                # (3)
            columns.append(strictly_inside(high - np.abs(high - (low + np.abs(theta - low))), low, high))
        return np.stack(columns, axis=1)


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
    weights = np.ones(log_f.shape)
    for axis in range(log_f.ndim):
        np.moveaxis(weights, axis, 0)[[0, -1]] *= 0.5
    cumulative = np.cumsum(weights * np.exp(log_f - log_f.max()))
    cell = np.prod([x[1] - x[0] for x in nodes])
    log_integral = float(log_f.max() + np.log(cumulative[-1] * cell))             # (2)
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
