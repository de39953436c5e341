"""Galaxy images: an elliptical Sérsic profile, blurred, on 32 × 32 pixels with noise.

The mathematics is in `reference.simulators.galaxy_image`. Same values; less is computed, and it stays in
cache:

    (2)  a power is the exponential of a logarithm, in place, of R² directly, without a square root; profiles
         are made for a block of galaxies at a time, which stays in the cache of a CPU
    (5)  two matrix products: the fractions of all K Gaussians, with weights and quadrature in them, stand
         side by side, (M, K·32); then over (node, Gaussian) together. All galaxies in the middle share them.
         A galaxy in the middle is its own mirror image, I(−X, −Y) = I(X, Y), and so are the pixels: only
         nodes with Y < 0 are computed, and the image B of that half gives m_pq = B_pq + B_(31−p)(31−q)

Example
-------
>>> import numpy as np
>>> from accel.simulators import galaxy_image
>>> image = galaxy_image.image(np.array([[1000.0, 1.5, 0.5, 0.0, 0.0]])).reshape(32, 32)
>>> print(image.sum().round(2), np.allclose(image, image.T))
1000.0 True
"""
import math

import numpy as np

from accel.device import array_module, like, special
from accel.numerics import point_spread
from accel.priors import BoxUniform
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

__all__ = ["prior", "sersic_b", "surface_brightness", "image", "simulate", "log_likelihood"]
SHARED = ["check_theta", "add_image", "blocks"]
__all__ += SHARED

N_NODES, EXTENT = 96, 24.0
BLOCK, BLOCK_ON_DEVICE = 8, 1024
NAMES = ("flux", "half-light radius", "Sérsic index", "ellipticity", "position angle")    # (1)
prior = BoxUniform([1000.0, 1.5, 0.5, 0.0, 0.0], [3000.0, 5.0, 4.0, 0.7, np.pi])


def sersic_b(n: Array) -> Array:
    """b of (4), in the shape of n.

    Parameters
    ----------
    n : (…) float
        Sérsic indices.
    """
    n = checks.as_array("n", n)
    return special(n).gammaincinv(2 * n, like(n, 0.5))                # (4)


def surface_brightness(theta: Array, x: Array, y: Array) -> Array:
    """I of (2) at the points (X, Y), (N, J), in flux per square pixel.

    Parameters
    ----------
    theta : (N, 5) float
        F > 0, r > 0, n > 0, 0 ≤ e < 1; not confined to the prior.
    x, y : (J,) float
        In pixels from the galaxy's centre.

    Raises
    ------
    ValueError
        If theta is no valid galaxy, or x and y differ in length.
    """
    theta = check_theta(theta)
    x = checks.as_array("x", x, ("J",))
    return profile(theta, x, checks.as_array("y", y, x.shape))


def image(theta: Array, *, centre: Array | None = None, fwhm: float = 3.0, beta: float = math.inf) -> Array:
    """The image without noise, (N, 1024).

    Parameters
    ----------
    theta : (N, 5) float
        F > 0, r > 0, n > 0, 0 ≤ e < 1; not confined to the prior.
    centre : (N, 2) float, optional
        (c_X, c_Y) in pixels; the middle of the image without it.
    fwhm, beta : float
        Of the point spread function, see `numerics.point_spread.gaussians`.

    Raises
    ------
    ValueError
        If theta is no valid galaxy, centre is not such an array, or fwhm or beta is not such a number.
    """
    theta = check_theta(theta)
    x = array_module(theta).zeros((len(theta), point_spread.SIZE**2), theta.dtype)
    return add_image(x, theta, centre, fwhm, beta)


def simulate(rng: Rng, theta: Array, *, noise: float = 1.0, fwhm: float = 3.0,
             beta: float = math.inf) -> Array:
    """x (N, 1024), in units of flux.

    Parameters
    ----------
    rng : Generator
    theta : (N, 5) float
        F > 0, r > 0, n > 0, 0 ≤ e < 1; not confined to the prior.
    noise : float
        Standard deviation in each pixel.
    fwhm, beta : float
        Of the point spread function, see `numerics.point_spread.gaussians`.

    Raises
    ------
    ValueError
        If theta is no valid galaxy, or noise, fwhm or beta is not such a number.
    """
    theta = check_theta(theta)
    x = like(theta, rng.standard_normal((len(theta), point_spread.SIZE**2)))
    x *= checks.check_positive("noise", noise)
    return add_image(x, theta, None, fwhm, beta)                      # (7)


def log_likelihood(theta: Array, x: Array, *, noise: float = 1.0, fwhm: float = 3.0,
                   beta: float = math.inf) -> Array:
    """log p(x|θ) in nats, (N,).

    Parameters
    ----------
    theta : (N, 5) float
        F > 0, r > 0, n > 0, 0 ≤ e < 1; not confined to the prior.
    x : (1024,) or (N, 1024) float
        One observation, or one for each θ.
    noise : float
        Standard deviation in each pixel.
    fwhm, beta : float
        Of the point spread function, see `numerics.point_spread.gaussians`.

    Raises
    ------
    ValueError
        If theta is no valid galaxy, x has another shape, or noise, fwhm or beta is not such a number.
    """
    residual, noise = image(theta, fwhm=fwhm, beta=beta), checks.check_positive("noise", noise)
    residual -= checks.as_array("x", x, (point_spread.SIZE**2,) if np.ndim(x) == 1 else residual.shape)
    log_prob = array_module(residual).einsum("nd,nd->n", residual, residual)
    log_prob *= -0.5 / noise**2
    log_prob -= 0.5 * point_spread.SIZE**2 * math.log(2 * math.pi * noise**2)     # (7)
    return log_prob


def add_image(x, theta, centre, fwhm, beta):
    """x (N, 1024), after the images have been added to it in place."""
    out = x.reshape(-1, point_spread.SIZE, point_spread.SIZE)
    if centre is not None:
        centre = checks.as_array("centre", centre, (len(theta), 2))
        checks.check_finite("centre", centre)
    at, weight = nodes()
    half = N_NODES // 2 if centre is None else N_NODES
    grid = [like(theta, side.ravel()) for side in np.meshgrid(at, at[:half])]
    sigma, w = point_spread.gaussians(fwhm=fwhm, beta=beta)
    at, weight, sigma = (like(theta, constant) for constant in (at, weight[:, None, None], sigma))
    root_w = like(theta, np.sqrt(w)[:, None])
    fractions = lambda at: point_spread.fractions(at[..., None], sigma) * weight * root_w     # (M, K, 32)
    middle = fractions(at) if centre is None else None
    for block in blocks(theta):
        light = profile(theta[block], *grid)
        if centre is None:
            seen = project(light, middle[:half], middle)
            out[block] += seen
            out[block] += seen[:, ::-1, ::-1]
        else:
            columns, rows = (fractions(at + shift[:, None]) for shift in centre[block].T)
            out[block] += project(light, rows, columns)
    return x


def project(light, rows, columns):
    """(5) for light (n, half·M), (n, 32, 32).

    The fractions are (M, K, 32) for all galaxies, or (n, M, K, 32) for each.
    """
    m, n_gaussians, size = columns.shape[-3:]
    light = light.reshape(len(light), -1, m)
    blurred = light @ columns.reshape(*columns.shape[:-3], m, n_gaussians * size)            # (n, half, K·32)
    rows = rows.reshape(*rows.shape[:-3], -1, size)
    return rows.swapaxes(-1, -2) @ blurred.reshape(len(light), -1, size)          # (5)


def profile(theta, x, y):
    """I of (2), (n, J)."""
    xp, (flux, r, n, e, angle) = array_module(theta), theta.T[:, :, None]
    q, b, half_power, scale = 1 - e, sersic_b(n), 0.5 / n, 1 / r
    major, minor = xp.sqrt(q) * scale, scale / xp.sqrt(q)
    light, v = (major * xp.cos(angle)) * x, (minor * xp.cos(angle)) * y
    light += (major * xp.sin(angle)) * y
    v -= (minor * xp.sin(angle)) * x
    light *= light
    v *= v
    light += v                                                        # (3): (R/r)²
    xp.log(light, out=light)
    light *= half_power
    xp.exp(light, out=light)
    light *= -b
    xp.exp(light, out=light)
    light *= flux * b**(2 * n) / (2 * math.pi * n * special(theta).gamma(2 * n) * r * r)      # (2)
    return light


def blocks(rows):
    """Slices that cover the rows: small ones on the CPU, large ones on a device."""
    size = BLOCK if array_module(rows) is np else BLOCK_ON_DEVICE
    return [slice(start, start + size) for start in range(0, len(rows), size)]


def nodes():
    """The nodes L ξ³ and their weights, (M,) each, on the host."""
    xi = (2 * np.arange(N_NODES) + 1) / N_NODES - 1
    return EXTENT * xi**3, 2 / N_NODES * 3 * EXTENT * xi**2           # (6)


def check_theta(theta):
    """Valid galaxy parameters θ (N, 5), or ValueError."""
    theta = checks.as_array("theta", theta, ("N", len(NAMES)))
    checks.check_finite("theta", theta)
    for column, name in enumerate(NAMES[:3]):
        if not bool((theta[:, column] > 0).all()):
            smallest = float(theta[:, column].min())
            raise ValueError(f"theta: expected a positive {name} in column {column}, got {smallest:.6g}")
    e = theta[:, 3]
    if not bool(array_module(e).logical_and(e >= 0, e < 1).all()):
        raise ValueError("theta: expected an ellipticity in [0, 1) in column 3, got "
                         f"{float(e.min()):.6g} to {float(e.max()):.6g}")
    return theta
