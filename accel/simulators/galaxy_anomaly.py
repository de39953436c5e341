"""Galaxies that are not ordinary: mergers, rings, tidal tails and lensing arcs, as bright as ordinary ones and under the same noise.

The mathematics is in `reference.simulators.galaxy_anomaly`. Same values; the parts of (2) and (5) are added into one image in place,
each brought to its share by its flux before it is painted, and a stream is one matrix product over its steps and Gaussians
together, (J·K, 32) transposed with (J·K, 32), for a block of galaxies at a time.
"""
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.priors import BoxUniform
from accel.device import array_module, like
from accel.numerics import point_spread
from accel.simulators import galaxy_image

__all__ = ["Kind", "Anomalies", "MERGER", "RING", "TAIL", "ARC", "merger", "ring", "tail", "arc", "simulate"]

N_STEPS, WIDTH = 48, 1.0


class Kind(NamedTuple):
    """A kind of anomaly: its name, the prior of its s, and its image without noise."""
    name: str
    prior: BoxUniform
    image: Callable


class Anomalies(NamedTuple):
    """Simulated anomalies: the galaxies θ (N, 5), the features s (N, …) and the images x (N, 1024)."""
    theta: np.ndarray
    s: np.ndarray
    x: np.ndarray


def simulate(rng, n, kind, *, noise=1.0, fwhm=3.0, beta=math.inf):
    """n anomalies of one kind: MERGER, RING, TAIL or ARC."""
    if not isinstance(kind, Kind):
        raise ValueError(f"kind: expected MERGER, RING, TAIL, ARC or another Kind, got {kind!r}")
    theta = galaxy_image.prior.sample(rng, n)
    s = kind.prior.sample(rng, n)
    mean = kind.image(theta, s, fwhm=fwhm, beta=beta)
    x = like(theta, rng.standard_normal(mean.shape))
    x *= checks.check_positive("noise", noise)
    x += mean
    return Anomalies(theta, s, x)


def ring(theta, s, *, fwhm=3.0, beta=math.inf):
    """Images (N, 1024) for θ (N, 5) and s = (f, R, h) (N, 3)."""
    theta, s, flux = check_feature(theta, s, 3)
    xp, t = array_module(theta), steps(0.0, 2 * np.pi)
    along = s[:, 1:2] * like(theta, np.cos(t))
    across = (s[:, 1:2] * (1 - theta[:, 3:4])) * like(theta, np.sin(t))
    cos, sin = xp.cos(theta[:, 4:]), xp.sin(theta[:, 4:])
    x = host(theta, s, fwhm, beta)
    return add_stream(x, along * cos - across * sin, along * sin + across * cos, np.ones(N_STEPS), flux, s[:, 2], fwhm, beta)


def arc(theta, s, *, fwhm=3.0, beta=math.inf):
    """Images (N, 1024) for θ (N, 5) and s = (f, R, a, opening, h) (N, 5)."""
    theta, s, flux = check_feature(theta, s, 5)
    xp, t = array_module(theta), s[:, 3:4] * like(theta, steps(-0.5, 0.5))
    t += s[:, 2:3]
    x = host(theta, s, fwhm, beta)
    return add_stream(x, s[:, 1:2] * xp.cos(t), s[:, 1:2] * xp.sin(t), np.ones(N_STEPS), flux, s[:, 4], fwhm, beta)


def tail(theta, s, *, fwhm=3.0, beta=math.inf):
    """Images (N, 1024) for θ (N, 5) and s = (f, R, a, k, h) (N, 5)."""
    theta, s, flux = check_feature(theta, s, 5)
    return add_bent_stream(host(theta, s, fwhm, beta), theta[:, 1], s[:, 1], s[:, 2], s[:, 3], flux, s[:, 4], fwhm, beta)


def merger(theta, s, *, fwhm=3.0, beta=math.inf):
    """Images (N, 1024) for θ (N, 5) and s = (f, d, a, r, n, e, φ, share, k) (N, 9)."""
    theta, s, flux = check_feature(theta, s, 9)
    xp, distance, angle, share = array_module(theta), s[:, 1], s[:, 2], s[:, 7]
    centre = xp.stack((distance * xp.cos(angle), distance * xp.sin(angle)), axis=1)
    x = host(theta, s, fwhm, beta)
    second = s[:, 2:7].copy()
    second[:, 0] = 1                                                  # checked before the flux, which f = 0 makes nothing
    second = galaxy_image.check_theta(second)
    second[:, 0] = flux * (1 - share)
    galaxy_image.add_image(x, second, centre, fwhm, beta)
    return add_bent_stream(x, distance, distance + 6, angle, s[:, 8], flux * share, xp.full_like(flux, WIDTH), fwhm, beta)


def host(theta, s, fwhm, beta):
    """(1 − f) m₀, (N, 1024)."""
    theta = theta.copy()
    theta[:, 0] *= 1 - s[:, 0]
    return galaxy_image.add_image(array_module(theta).zeros((len(theta), point_spread.SIZE**2), theta.dtype), theta, None, fwhm, beta)


def add_bent_stream(x, inner, outer, angle, bend, flux, width, fwhm, beta):
    """x, to which the tail of (4) is added in place."""
    xp, t = array_module(x), steps(0.0, 1.0)
    weight, t = 1 - 0.75 * t, like(x, t)
    rho, turned = (outer - inner)[:, None] * t, bend[:, None] * t
    rho += inner[:, None]
    turned += angle[:, None]
    return add_stream(x, rho * xp.cos(turned), rho * xp.sin(turned), weight, flux, width, fwhm, beta)


def add_stream(image, x, y, weight, flux, width, fwhm, beta):
    """The images (N, 1024), to which (3) is added in place; fluxes and widths (N,), weights (J,) on the host."""
    xp, out = array_module(image), image.reshape(-1, point_spread.SIZE, point_spread.SIZE)
    sigma, w = point_spread.gaussians(fwhm=fwhm, beta=beta)
    variance, weight = like(image, sigma**2), like(image, (weight / weight.sum())[:, None] * w)       # (K,), (J, K)
    for block in galaxy_image.blocks(image):
        wide = xp.sqrt(variance + (width[block] * width[block])[:, None])[:, None, :]
        rows, columns = (point_spread.fractions(points[block][..., None], wide) for points in (y, x))       # (n, J, K, 32)
        rows *= weight[..., None]
        rows *= flux[block][:, None, None, None]
        out[block] += rows.reshape(len(rows), -1, point_spread.SIZE).swapaxes(1, 2) @ columns.reshape(len(rows), -1, point_spread.SIZE)
    return image


def steps(low, high):
    """The middles of J equal steps, on the host."""
    return low + (high - low) * (np.arange(N_STEPS) + 0.5) / N_STEPS


def check_feature(theta, s, dim):
    """θ (N, 5), s (N, dim) with a fraction between 0 and 1 in front, and the feature's flux f F (N,), or ValueError."""
    theta = galaxy_image.check_theta(theta)
    s = checks.as_array("s", s, (len(theta), dim))
    checks.check_finite("s", s)
    f = s[:, 0]
    if not bool(array_module(f).logical_and(f >= 0, f <= 1).all()):
        raise ValueError(f"s: expected fractions of the light in column 0, got {float(f.min()):.6g} to {float(f.max()):.6g}")
    return theta, s, f * theta[:, 0]


RING = Kind("ring", BoxUniform([0.15, 5.0, 0.7], [0.4, 11.0, 1.5]), ring)
ARC = Kind("arc", BoxUniform([0.05, 5.0, 0.0, 0.6, 0.5], [0.2, 11.0, 2 * np.pi, 2.0, 1.0]), arc)
TAIL = Kind("tail", BoxUniform([0.08, 9.0, 0.0, -2.0, 0.8], [0.25, 14.0, 2 * np.pi, 2.0, 1.6]), tail)
MERGER = Kind("merger", BoxUniform([0.2, 4.0, 0.0, 1.5, 0.5, 0.0, 0.0, 0.1, -2.0],
                                   [0.5, 9.0, 2 * np.pi, 4.0, 4.0, 0.7, np.pi, 0.3, 2.0]), merger)
