"""Features of anomalous galaxies: mergers, rings, tidal tails and lensing arcs, painted into galaxy images.

The mathematics is in `reference.simulators.galaxy_features`. Same values; the parts of (1) and (4) are added
to one image in place, each with its own flux, and (2) is one matrix product over steps and Gaussians
together, (J·K, 32) transposed with (J·K, 32), for a block of galaxies at a time.

Example
-------
>>> import numpy as np
>>> from accel.simulators import galaxy_features
>>> theta = np.array([[1000.0, 1.5, 1.0, 0.0, 0.0]])
>>> image = galaxy_features.ring(theta, np.array([[0.3, 8.0, 1.0]])).reshape(32, 32)
>>> print(image.sum().round(-1), image[16, 24] > image[16, 29])
1000.0 True
"""
import math

import numpy as np

from accel.device import array_module, like
from accel.numerics import point_spread
from accel.runtime import checks
from accel.runtime.protocols import Array
from accel.simulators import galaxy_image

__all__ = ["merger", "ring", "tail", "arc"]

N_STEPS, WIDTH = 48, 1.0


def ring(theta: Array, s: Array, *, fwhm: float = 3.0, beta: float = math.inf) -> Array:
    """Images without noise, (N, 1024), with a ring around the middle, in the plane of the galaxy.

    Parameters
    ----------
    theta : (N, 5) float
        As in `galaxy_image.image`.
    s : (N, 3) float
        f, R, h; f in [0, 1].
    fwhm, beta : float
        Of the point spread function, see `numerics.point_spread.gaussians`.

    Raises
    ------
    ValueError
        If theta is no valid galaxy, s is not such an array, or fwhm or beta is not such a number.
    """
    theta, s, flux = check_feature(theta, s, 3)
    xp, t = array_module(theta), steps(0.0, 2 * np.pi)
    along = s[:, 1:2] * like(theta, np.cos(t))
    across = (s[:, 1:2] * (1 - theta[:, 3:4])) * like(theta, np.sin(t))           # (3)
    cos, sin = xp.cos(theta[:, 4:]), xp.sin(theta[:, 4:])
    curve = along * cos - across * sin, along * sin + across * cos
    return add_stream(host(theta, s, fwhm, beta), *curve, np.ones(N_STEPS), flux, s[:, 2], fwhm, beta)


def arc(theta: Array, s: Array, *, fwhm: float = 3.0, beta: float = math.inf) -> Array:
    """Images without noise, (N, 1024), with an arc around the middle, at the Einstein radius of a lens.

    Parameters
    ----------
    theta : (N, 5) float
        As in `galaxy_image.image`.
    s : (N, 5) float
        f, R, a, opening, h; f in [0, 1].
    fwhm, beta : float
        Of the point spread function, see `numerics.point_spread.gaussians`.

    Raises
    ------
    ValueError
        If theta is no valid galaxy, s is not such an array, or fwhm or beta is not such a number.
    """
    theta, s, flux = check_feature(theta, s, 5)
    xp, t = array_module(theta), s[:, 3:4] * like(theta, steps(-0.5, 0.5))
    t += s[:, 2:3]
    curve = s[:, 1:2] * xp.cos(t), s[:, 1:2] * xp.sin(t)              # (3)
    return add_stream(host(theta, s, fwhm, beta), *curve, np.ones(N_STEPS), flux, s[:, 4], fwhm, beta)


def tail(theta: Array, s: Array, *, fwhm: float = 3.0, beta: float = math.inf) -> Array:
    """Images without noise, (N, 1024), with a bent tail out of the galaxy.

    Parameters
    ----------
    theta : (N, 5) float
        As in `galaxy_image.image`.
    s : (N, 5) float
        f, R, a, k, h; f in [0, 1].
    fwhm, beta : float
        Of the point spread function, see `numerics.point_spread.gaussians`.

    Raises
    ------
    ValueError
        If theta is no valid galaxy, s is not such an array, or fwhm or beta is not such a number.
    """
    theta, s, flux = check_feature(theta, s, 5)
    x = host(theta, s, fwhm, beta)
    return add_bent_stream(x, theta[:, 1], s[:, 1], s[:, 2], s[:, 3], flux, s[:, 4], fwhm, beta)


def merger(theta: Array, s: Array, *, fwhm: float = 3.0, beta: float = math.inf) -> Array:
    """Images without noise, (N, 1024), with a second galaxy with a bent tail.

    Parameters
    ----------
    theta : (N, 5) float
        As in `galaxy_image.image`.
    s : (N, 9) float
        f, d, a, r, n, e, φ, share, k; f in [0, 1].
    fwhm, beta : float
        Of the point spread function, see `numerics.point_spread.gaussians`.

    Raises
    ------
    ValueError
        If theta is no valid galaxy, s is not such an array, or fwhm or beta is not such a number.
    """
    theta, s, flux = check_feature(theta, s, 9)
    xp, distance, angle, share = array_module(theta), s[:, 1], s[:, 2], s[:, 7]
    centre = xp.stack((distance * xp.cos(angle), distance * xp.sin(angle)), axis=1)
    x = host(theta, s, fwhm, beta)
    second = s[:, 2:7].copy()
    second[:, 0] = 1                                                 # checked before its flux, which may be 0
    second = galaxy_image.check_theta(second)
    second[:, 0] = flux * (1 - share)
    galaxy_image.add_image(x, second, centre, fwhm, beta)
    share, width = flux * share, xp.full_like(flux, WIDTH)
    return add_bent_stream(x, distance, distance + 6, angle, s[:, 8], share, width, fwhm, beta)       # (4)


def host(theta, s, fwhm, beta):
    """(1 − f) m₀ of (1), (N, 1024)."""
    theta = theta.copy()
    theta[:, 0] *= 1 - s[:, 0]                                        # (1)
    x = array_module(theta).zeros((len(theta), point_spread.SIZE**2), theta.dtype)
    return galaxy_image.add_image(x, theta, None, fwhm, beta)


def add_bent_stream(x, inner, outer, angle, bend, flux, width, fwhm, beta):
    """x, after the tail of (3) has been added to it in place."""
    xp, t = array_module(x), steps(0.0, 1.0)
    weight, t = 1 - 0.75 * t, like(x, t)
    rho, turned = (outer - inner)[:, None] * t, bend[:, None] * t
    rho += inner[:, None]
    turned += angle[:, None]
    return add_stream(x, rho * xp.cos(turned), rho * xp.sin(turned), weight, flux, width, fwhm, beta)


def add_stream(image, x, y, weight, flux, width, fwhm, beta):
    """The images (N, 1024), after (2) has been added; fluxes and widths (N,), weights (J,) on the host."""
    xp, out = array_module(image), image.reshape(-1, point_spread.SIZE, point_spread.SIZE)
    sigma, w = point_spread.gaussians(fwhm=fwhm, beta=beta)
    variance, weight = like(image, sigma**2), like(image, (weight / weight.sum())[:, None] * w)   # (J, K)
    for block in galaxy_image.blocks(image):
        wide = xp.sqrt(variance + (width[block] * width[block])[:, None])[:, None, :]
        rows, columns = (point_spread.fractions(points[block][..., None], wide) for points in (y, x))
        rows *= weight[..., None]                                     # (n, J, K, 32)
        rows *= flux[block][:, None, None, None]
        rows, columns = (part.reshape(len(part), -1, point_spread.SIZE) for part in (rows, columns))
        out[block] += rows.swapaxes(1, 2) @ columns                   # (2)
    return image


def steps(low, high):
    """The middles of J equal steps, on the host."""
    return low + (high - low) * (np.arange(N_STEPS) + 0.5) / N_STEPS


def check_feature(theta, s, dim):
    """θ (N, 5), s (N, dim) and the feature's flux f F (N,), or ValueError unless f is between 0 and 1."""
    theta = galaxy_image.check_theta(theta)
    s = checks.as_array("s", s, (len(theta), dim))
    checks.check_finite("s", s)
    f = s[:, 0]
    if not bool(array_module(f).logical_and(f >= 0, f <= 1).all()):
        raise ValueError("s: expected fractions of the light in column 0, got "
                         f"{float(f.min()):.6g} to {float(f.max()):.6g}")
    return theta, s, f * theta[:, 0]
