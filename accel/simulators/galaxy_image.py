"""Galaxy images: a Sérsic profile, elliptical and inclined, seen through a point spread function on 32 × 32 pixels with noise.

The mathematics is in `reference.simulators.galaxy_image`. Same values; what differs is how much is computed, and where it is kept:

    (2)  a power is the exponential of a logarithm, a fused chain in place, log R² first, so that there is no square root; profiles
         are made for a block of galaxies at a time, and never leave the cache of a CPU
    (5)  two matrix products: fractions of all K Gaussians side by side, weights and quadrature in them, (M, K·32), then over
         (node, Gaussian) together. They are the same for all galaxies, unless these are moved off the middle
    half a galaxy in the middle is its own mirror image, I(−X, −Y) = I(X, Y), and so are the pixels: only the nodes with Y < 0 are
         visited, and the image B of that half gives m_pq = B_pq + B_(31−p)(31−q)
"""
import math

import numpy as np

from accel.runtime import checks
from accel.priors import BoxUniform
from accel.device import like, special
from accel.device import array_module
from accel.numerics import point_spread

__all__ = ["prior", "sersic_b", "surface_brightness", "image", "simulate", "log_likelihood"]

N_NODES, EXTENT = 96, 24.0
BLOCK, BLOCK_ON_DEVICE = 8, 1024
NAMES = ("flux", "half-light radius", "Sérsic index", "ellipticity", "position angle")
prior = BoxUniform([1000.0, 1.5, 0.5, 0.0, 0.0], [3000.0, 5.0, 4.0, 0.7, np.pi])


def sersic_b(n):
    """b of (4) for Sérsic indices n of any shape."""
    n = checks.as_array("n", n)
    return special(n).gammaincinv(2 * n, like(n, 0.5))


def surface_brightness(theta, x, y):
    """I of (2) at the points (X, Y), (J,) each: (N, J), in flux per square pixel."""
    theta = check_theta(theta)
    x = checks.as_array("x", x, ("J",))
    return profile(theta, x, checks.as_array("y", y, x.shape))


def image(theta, *, centre=None, fwhm=3.0, beta=math.inf):
    """The image without noise, (N, 1024)."""
    theta = check_theta(theta)
    x = array_module(theta).zeros((len(theta), point_spread.SIZE**2), theta.dtype)
    return add_image(x, theta, centre, fwhm, beta)


def simulate(rng, theta, *, noise=1.0, fwhm=3.0, beta=math.inf):
    """x (N, 1024) for θ (N, 5)."""
    theta = check_theta(theta)
    x = like(theta, rng.standard_normal((len(theta), point_spread.SIZE**2)))
    x *= checks.check_positive("noise", noise)
    return add_image(x, theta, None, fwhm, beta)


def log_likelihood(theta, x, *, noise=1.0, fwhm=3.0, beta=math.inf):
    """log p(x|θ), (N,), for θ (N, 5) and one observation x (1024,) or one for each θ (N, 1024)."""
    residual, noise = image(theta, fwhm=fwhm, beta=beta), checks.check_positive("noise", noise)
    residual -= checks.as_array("x", x, (point_spread.SIZE**2,) if np.ndim(x) == 1 else residual.shape)
    log_prob = array_module(residual).einsum("nd,nd->n", residual, residual)
    log_prob *= -0.5 / noise**2
    log_prob -= 0.5 * point_spread.SIZE**2 * math.log(2 * math.pi * noise**2)
    return log_prob


def add_image(x, theta, centre, fwhm, beta):
    """x (N, 1024), to which the images are added in place."""
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
    middle = point_spread.fractions(at[:, None], sigma) * weight * root_w if centre is None else None       # (M, K, 32)
    for block in blocks(theta):
        light = profile(theta[block], *grid)
        if centre is None:
            seen = project(light, middle[:half], middle)
            out[block] += seen
            out[block] += seen[:, ::-1, ::-1]
        else:
            columns, rows = (point_spread.fractions((at + shift[:, None])[..., None], sigma) * weight * root_w for shift in centre[block].T)
            out[block] += project(light, rows, columns)
    return x


def project(light, rows, columns):
    """(5) for light (n, half·M), with fractions (M, K, 32) for all galaxies or (n, M, K, 32) for each: (n, 32, 32)."""
    m, n_gaussians, size = columns.shape[-3:]
    light = light.reshape(len(light), -1, m)
    blurred = light @ columns.reshape(*columns.shape[:-3], m, n_gaussians * size)                     # (n, half, K·32)
    rows = rows.reshape(*rows.shape[:-3], -1, size)
    return rows.swapaxes(-1, -2) @ blurred.reshape(len(light), -1, size)


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
    light += v                                                        # (R/r)²
    xp.log(light, out=light)
    light *= half_power
    xp.exp(light, out=light)
    light *= -b
    xp.exp(light, out=light)
    light *= flux * b**(2 * n) / (2 * math.pi * n * special(theta).gamma(2 * n) * r * r)
    return light


def blocks(rows):
    """Slices that cover the rows: small ones on the CPU, large ones on a device."""
    size = BLOCK if array_module(rows) is np else BLOCK_ON_DEVICE
    return [slice(start, start + size) for start in range(0, len(rows), size)]


def nodes():
    """The nodes L ξ³ and their weights, (M,) each, on the host."""
    xi = (2 * np.arange(N_NODES) + 1) / N_NODES - 1
    return EXTENT * xi**3, 2 / N_NODES * 3 * EXTENT * xi**2


def check_theta(theta):
    """θ (N, 5) of galaxies that there can be, or ValueError."""
    theta = checks.as_array("theta", theta, ("N", len(NAMES)))
    checks.check_finite("theta", theta)
    for column, name in enumerate(NAMES[:3]):
        if not bool((theta[:, column] > 0).all()):
            raise ValueError(f"theta: expected a positive {name} in column {column}, got {float(theta[:, column].min()):.6g}")
    e = theta[:, 3]
    if not bool(array_module(e).logical_and(e >= 0, e < 1).all()):
        raise ValueError(f"theta: expected an ellipticity in [0, 1) in column 3, got {float(e.min()):.6g} to {float(e.max()):.6g}")
    return theta
