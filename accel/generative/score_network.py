"""A network that is a score at every noise level: a Gaussian's score, and a network for the rest.

The mathematics is in `reference.generative.score_network`. Same values; work arrays are feature-major, and
rows are taken in blocks that stay in cache. If all rows share one σ, as in a sampler, then a, g and e(σ) are
single columns, e(σ) is added to the bias of the first layer, and the network is fed a x alone:

    b + Wᵀ[a x; e(σ)] = (b + Wₑᵀ e(σ)) + Wₓᵀ a x

(3) is computed as 1 − 2τ²/(σ² + τ²). On a device the score is evaluated in two launches; it carries its form
(`kernels.score.form`), so that Langevin dynamics along it is one kernel.

Example
-------
>>> import numpy as np
>>> from accel.generative import score_network
>>> params = score_network.init_params(np.random.default_rng(0), dim=2, hidden=(8,))
>>> x = np.array([[1.0, -2.0]])
>>> print(score_network.score(params, x, 0.5).round(3))                 # −x/(1 + σ²) before any training
[[-0.8  1.6]]
"""
import numpy as np

from accel import memory
from accel.device import array_module, check_together
from accel.kernels import cuda
from accel.kernels.score import launch as score_kernel
from accel.kernels.score.form import Network, declares
from accel.nets import dense
from accel.runtime import checks
from accel.runtime.protocols import Array, Params, Rng

__all__ = ["embed_sigma", "precondition"]
SHARED = ["TAU", "init_params", "score", "Work", "set_levels", "forward"]
__all__ += SHARED

TAU = 0.01 * 1000.0 ** (np.arange(8) / 7)
BLOCK, BLOCK_ON_DEVICE = 1024, 1 << 16                                # rows evaluated at a time


def init_params(rng: Rng, *, dim: int, hidden: tuple = (128, 128)) -> Params:
    """Weights N(0, 1/n_in); the last layer is zero, so that the score starts as a Gaussian's.

    Parameters
    ----------
    rng : Generator
    dim : int
        D.
    hidden : tuple of int
        The units of each hidden layer, at least one layer.

    Raises
    ------
    ValueError
        If a number is not a whole number above zero, or there is no hidden layer.
    """
    checks.check_count("dim", dim)
    checks.check_count("hidden: number of layers", len(hidden))
    for count in hidden:
        checks.check_count("hidden", count)
    layers = dense.init_mlp(rng, (dim + len(TAU), *hidden))
    xp, dtype = array_module(layers[0]), layers[0].dtype
    return {"layers": [*layers, xp.zeros((hidden[-1] + 1, dim), dtype=dtype)]}


def embed_sigma(sigma: Array) -> Array:
    """e(σ), (N, T), or (T,) for one number.

    Parameters
    ----------
    sigma : float or (N,) float
        σ > 0.
    """
    xp = array_module(sigma)
    sigma = xp.asarray(sigma)[..., None]
    tau2 = xp.asarray(TAU.astype(sigma.dtype)**2)
    return _embed(sigma * sigma, tau2, xp.empty((*sigma.shape[:-1], len(TAU)), sigma.dtype))


def _embed(squared, tau2, out):
    xp = array_module(out)
    xp.add(squared, tau2, out=out)
    xp.divide(-2 * tau2, out, out=out)
    out += 1                                                          # (3)
    return out


def precondition(sigma: Array, spread: Array | float = 1.0) -> tuple[Array, Array]:
    """a and g, each of the shape of σ and k together.

    Parameters
    ----------
    sigma : float or (N, 1) float
        σ > 0.
    spread : float or (D,) float
        k ≥ 0.
    """
    xp = array_module(sigma, spread)
    sigma = xp.asarray(sigma)
    spread = xp.asarray(spread, dtype=sigma.dtype)
    shape = np.broadcast_shapes(sigma.shape, spread.shape)
    a, gain = (xp.empty(shape, sigma.dtype) for _ in range(2))
    return _precondition(sigma, sigma * sigma, spread, a, gain)


def _precondition(sigma, squared, spread, a, gain):
    xp = array_module(a)
    xp.add(spread * spread, squared, out=a)
    xp.sqrt(a, out=a)
    xp.divide(1, a, out=a)
    xp.divide(a, sigma, out=gain)
    xp.sqrt(gain, out=gain)
    gain *= a
    gain *= spread                                                    # (2)
    return a, gain


class Work:
    """The work arrays of a network of these shapes for n columns of each sign of a noise. a, g, e(σ) have n
    columns too, or one where all share one σ; the network is then fed a x alone, through a first layer of its
    own."""

    def __init__(self, xp, shapes, n, n_signs, shared, dtype):
        (_, first), dim = shapes[0], shapes[-1][1]
        n_levels, self.shared = 1 if shared else n, shared
        self.first = xp.empty((1 + dim, first), dtype)
        self.tape = dense.Tape(xp, ((1 + dim, first), *shapes[1:]) if shared else shapes, n_signs * n, dtype)
        rows = self.tape.inputs[0][1:].reshape(-1, n_signs, n)
        self.ax, self.embedded = rows[:dim], rows[dim:]
        self.network = self.tape.out.reshape(dim, n_signs, n)
        self.x, self.s = (xp.empty((dim, n_signs, n), dtype) for _ in range(2))
        self.sigma, self.a, self.gain = (xp.empty((rows, 1, n_levels), dtype) for rows in (1, dim, dim))
        self.squared, self.e = xp.empty_like(self.sigma), xp.empty((len(TAU), 1, n_levels), dtype)
        self.tau2 = xp.asarray(TAU**2, dtype=dtype).reshape(-1, 1, 1)


def set_levels(layers, work, sigma, spread):
    """σ, a, g, e(σ) into work; e(σ) goes to the network's input, or into its first bias where all share one
    σ. Returns the layers that the network then has."""
    xp = array_module(work.a)
    work.sigma[...] = sigma
    xp.multiply(work.sigma, work.sigma, out=work.squared)
    spread = xp.asarray(spread, dtype=work.a.dtype).reshape(-1, 1, 1)
    _precondition(work.sigma, work.squared, spread, work.a, work.gain)
    _embed(work.squared, work.tau2, work.e)
    if not work.shared:
        work.embedded[...] = work.e
        return layers
    first, dim = layers[0], len(work.ax)
    work.first[...] = first[:1 + dim]
    work.first[0] += work.e[:, 0, 0] @ first[1 + dim:]
    return work.first, *layers[1:]


def forward(layers, work):
    """The score at work.x, (D, signs, n), in work.s."""
    xp = array_module(work.s)
    xp.multiply(work.a, work.x, out=work.ax)
    dense.forward(layers, work.tape)
    xp.multiply(work.a, work.ax, out=work.x)
    xp.multiply(work.gain, work.network, out=work.s)
    work.s -= work.x                                                  # (1)
    return work.s


@declares(lambda params, *, spread=1.0: Network(params["layers"], TAU, spread))
def score(params: Params, x: Array, sigma: Array | float, *, spread: Array | float = 1.0) -> Array:
    """s_θ(x, σ), (N, D).

    Parameters
    ----------
    params : dict
    x : (N, D) float
    sigma : float or (N,) float
        σ > 0.
    spread : float or (D,) float
        k of (2); zero for a coordinate that does not vary, for which the output of F is multiplied by zero.

    Raises
    ------
    ValueError
        If x or sigma has another shape, or one number sigma is not positive and finite.
    """
    layers = params["layers"]
    x = checks.as_array("x", x, ("N", layers[-1].shape[1]))
    check_together(params=layers[0], x=x)
    xp, sigma, n = array_module(x), levels(sigma, x), len(x)
    if cuda.wanted(xp) and (found := score_kernel.score(params, x, sigma, spread, TAU)) is not None:
        return found
    out, shared, block = xp.empty_like(x), len(sigma) == 1, BLOCK if xp is np else BLOCK_ON_DEVICE
    whole = n - n % block
    for start, end, size in ((0, whole, block), (whole, n, n - whole)):
        if start == end:
            continue
        with memory.borrow(Work, xp, dense.shapes_of(layers), size, 1, shared, layers[0].dtype) as work:
            fed = set_levels(layers, work, sigma, spread) if shared else layers
            for rows in (slice(first, first + size) for first in range(start, end, size)):
                if not shared:
                    set_levels(layers, work, sigma[rows], spread)
                work.x[:, 0] = x[rows].T
                out[rows] = forward(fed, work)[:, 0].T
    return out


def levels(sigma, x):
    """σ as (1,) or (N,) in the dtype of x, or a ValueError."""
    if getattr(sigma, "ndim", 0) == 0:
        return array_module(x).full(1, checks.check_positive("sigma", float(sigma)), x.dtype)
    checks.check_shape("sigma", sigma, (len(x),))
    return sigma.astype(x.dtype, copy=False)
