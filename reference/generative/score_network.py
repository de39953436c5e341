"""A network that is a score at every noise level: a Gaussian's score, and a network for the rest.

    (1)  s_θ(x, σ) = −a² ⊙ x + g ⊙ F_θ(a ⊙ x, e(σ))
    (2)  a = (k² + σ²)^(−½),   g = k a √(a/σ)               k: the standard deviation of each coordinate of x
    (3)  eᵢ(σ) = tanh log(σ/τᵢ) = (σ² − τᵢ²)/(σ² + τᵢ²)     the embedding of σ: a smooth step at each τᵢ

With F = 0, (1) is exact for a Gaussian of mean zero and independent coordinates of standard deviation k. What
F adds to it is of the order of 1/σ for data on a thin set, and of 1/k for data as wide as their spread. With
a gain of k a/σ the first needs no large F, but the noise of the gradient grows as 1/σ; with a gain of k a²
that noise stays bounded, but F itself must grow. g is the geometric mean of the two.

Shapes        N samples, D dimensions, T numbers of the embedding; x, s (N, D); σ a number or (N,); k (D,).
Conventions   x has mean zero and variance about one: the τᵢ lie between 0.01 and 10.
Source        "Elucidating the design space of diffusion-based generative models", Karras et al., 2022,
              section 5, whose preconditioning (1) extends.
Departures    a k for each coordinate, the gain g and the embedding (3) are not those of the source.

Example
-------
>>> import numpy as np
>>> from reference.generative import score_network
>>> params = score_network.init_params(np.random.default_rng(0), dim=2, hidden=(8,))
>>> x = np.array([[1.0, -2.0]])
>>> print(score_network.score(params, x, 0.5).round(3))                 # −x/(1 + σ²) before any training
[[-0.8  1.6]]
"""
import autograd.numpy as np

from reference.nets import dense
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng

__all__ = ["embed_sigma", "precondition"]
SHARED = ["TAU", "init_params", "score"]
__all__ += SHARED

TAU = 0.01 * 1000.0 ** (np.arange(8) / 7)


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
    return {"layers": [*layers, np.zeros((hidden[-1] + 1, dim))]}


def embed_sigma(sigma: Array) -> Array:
    """e(σ), (N, T), or (T,) for one number.

    Parameters
    ----------
    sigma : float or (N,) float
        σ > 0.
    """
    sigma = np.asarray(sigma)[..., None]
    tau = TAU.astype(sigma.dtype)
    return (sigma**2 - tau**2) / (sigma**2 + tau**2)                  # (3)


def precondition(sigma: Array, spread: Array | float = 1.0) -> tuple[Array, Array]:
    """a and g, each of the shape of σ and k together.

    Parameters
    ----------
    sigma : float or (N, 1) float
        σ > 0.
    spread : float or (D,) float
        k ≥ 0.
    """
    a = 1 / np.sqrt(spread**2 + sigma**2)
    return a, spread * a * np.sqrt(a / sigma)                         # (2)


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
    sigma = levels(sigma, x)
    a, g = precondition(sigma[:, None], spread)
    e = np.ones((len(x), 1), x.dtype) * embed_sigma(sigma)
    return g * dense.mlp(layers, np.concatenate((a * x, e), axis=1)) - a**2 * x                       # (1)


def levels(sigma, x):
    """σ as (1,) or (N,) in the dtype of x, or a ValueError."""
    if getattr(sigma, "ndim", 0) == 0:
        return np.full(1, checks.check_positive("sigma", float(sigma)), x.dtype)
    checks.check_shape("sigma", sigma, (len(x),))
    return sigma.astype(x.dtype)
