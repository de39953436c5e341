"""Galaxies that are not ordinary: mergers, rings, tidal tails and lensing arcs, as bright as ordinary ones and under the same noise.

    (1)  θ ~ p(θ) of an ordinary galaxy (`simulators.galaxy_image`),  s ~ p(s) of the kind
    (2)  m = (1 − f) m₀(θ) + f m₁(θ, s)                              m₀ the ordinary image; m₁ the feature, of the same total flux F
    (3)  m₁ = F ∑ⱼ ωⱼ N(cⱼ, h² I), blurred and on pixels,  ∑ⱼ ωⱼ = 1   a stream: light of width h along a curve c(t), J steps
    (4)  ring   c(t) = R (cos t, q sin t), turned by φ,  t in (0, 2π)   around the middle, in the plane of the galaxy
         arc    c(t) = R (cos t, sin t),  |t − a| < half the opening  around the middle, at the lens's Einstein radius R
         tail   c(t) = ρ (cos(a + k t), sin(a + k t)),  ρ = r + (R − r) t,  t in (0, 1),  ω ∝ 1 − ¾t      out of the galaxy, and bent
    (5)  merger  m₁: a second galaxy d away, and a tail out of it, bent, with a share of the second galaxy's light

f takes the light of a feature from the galaxy: an anomaly has the flux that the same θ would have, so that brightness tells
nothing. A Gaussian blurred by a sum of Gaussians is one again, σₖ² + h²: `numerics.point_spread` integrates a stream over pixels exactly.

The priors, lengths in pixels, angles in radians:

         ring     f ~ U(0.15, 0.4),   R ~ U(5, 11),  h ~ U(0.7, 1.5)
         arc      f ~ U(0.05, 0.2),   R ~ U(5, 11),  a ~ U(0, 2π),  opening ~ U(0.6, 2),  h ~ U(0.5, 1)
         tail     f ~ U(0.08, 0.25),  R ~ U(9, 14),  a ~ U(0, 2π),  k ~ U(−2, 2),  h ~ U(0.8, 1.6)
         merger   f ~ U(0.2, 0.5),  d ~ U(4, 9),  a ~ U(0, 2π), of the second galaxy r ~ U(1.5, 4), n ~ U(0.5, 4), e ~ U(0, 0.7),
                  φ ~ U(0, π), of its tail the share ~ U(0.1, 0.3), k ~ U(−2, 2);  h = 1

Shapes        N galaxies, J = 48 steps; θ (N, 5), s (N, dim of the kind's prior), x (N, 1024) as in `simulators.galaxy_image`.
Conventions   flux that falls outside the image is lost, as an ordinary galaxy's is.
Source        lecture S0, slides "Hunting 'interesting' outliers" and "Detected interesting anomalies": the kinds that a survey finds.
Departures    the lecture has real images and no truth; shapes and ranges are ours, drawn so that a feature has 5 to 50 % of the light.
              A lens's counter-image, dust and star formation are left out.
"""
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.priors import BoxUniform
from reference.numerics import point_spread
from reference.simulators import galaxy_image

__all__ = ["Kind", "Anomalies", "MERGER", "RING", "TAIL", "ARC", "merger", "ring", "tail", "arc", "simulate"]

N_STEPS, WIDTH = 48, 1.0


class Kind(NamedTuple):
    """A kind of anomaly.

    Attributes
    ----------
    name : str
    prior : BoxUniform
        Of s.
    image : callable
        (theta, s, *, fwhm, beta) → the image without noise, (N, 1024).
    """
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
    return Anomalies(theta, s, mean + checks.check_positive("noise", noise) * rng.standard_normal(mean.shape))


def ring(theta, s, *, fwhm=3.0, beta=math.inf):
    """Images (N, 1024) for θ (N, 5) and s = (f, R, h) (N, 3)."""
    theta, s = check_feature(theta, s, 3)
    f, radius, width = s.T
    t = steps(0.0, 2 * np.pi)
    along, across = radius[:, None] * np.cos(t), (radius * (1 - theta[:, 3]))[:, None] * np.sin(t)    # (4)
    cos, sin = np.cos(theta[:, 4:]), np.sin(theta[:, 4:])
    feature = stream(along * cos - across * sin, along * sin + across * cos, np.ones_like(t), width, fwhm, beta)
    return mixed(theta, f, feature, fwhm, beta)


def arc(theta, s, *, fwhm=3.0, beta=math.inf):
    """Images (N, 1024) for θ (N, 5) and s = (f, R, a, opening, h) (N, 5)."""
    theta, s = check_feature(theta, s, 5)
    f, radius, angle, opening, width = s.T
    t = angle[:, None] + opening[:, None] * steps(-0.5, 0.5)
    feature = stream(radius[:, None] * np.cos(t), radius[:, None] * np.sin(t), np.ones(N_STEPS), width, fwhm, beta)   # (4)
    return mixed(theta, f, feature, fwhm, beta)


def tail(theta, s, *, fwhm=3.0, beta=math.inf):
    """Images (N, 1024) for θ (N, 5) and s = (f, R, a, k, h) (N, 5)."""
    theta, s = check_feature(theta, s, 5)
    f, radius, angle, bend, width = s.T
    return mixed(theta, f, bent_stream(theta[:, 1], radius, angle, bend, width, fwhm, beta), fwhm, beta)


def merger(theta, s, *, fwhm=3.0, beta=math.inf):
    """Images (N, 1024) for θ (N, 5) and s = (f, d, a, r, n, e, φ, share, k) (N, 9)."""
    theta, s = check_feature(theta, s, 9)
    f, distance, angle, share, bend = s[:, [0, 1, 2, 7, 8]].T
    centre = distance[:, None] * np.stack((np.cos(angle), np.sin(angle)), axis=1)
    second = np.column_stack((np.ones(len(s)), s[:, 3:7]))
    second = galaxy_image.image(second, centre=centre, fwhm=fwhm, beta=beta)
    out = bent_stream(distance, distance + 6, angle, bend, np.full(len(s), WIDTH), fwhm, beta)
    return mixed(theta, f, (1 - share[:, None]) * second + share[:, None] * out, fwhm, beta)          # (5)


def mixed(theta, f, feature, fwhm, beta):
    """(2), for a feature of flux one."""
    f = f[:, None]
    return (1 - f) * galaxy_image.image(theta, fwhm=fwhm, beta=beta) + f * theta[:, :1] * feature     # (2)


def bent_stream(inner, outer, angle, bend, width, fwhm, beta):
    """The tail of (4), of flux one, (N, 1024)."""
    t = steps(0.0, 1.0)
    rho, turned = inner[:, None] + (outer - inner)[:, None] * t, angle[:, None] + bend[:, None] * t
    return stream(rho * np.cos(turned), rho * np.sin(turned), 1 - 0.75 * t, width, fwhm, beta)        # (4)


def stream(x, y, weight, width, fwhm, beta):
    """(3) for points x and y (N, J), weights (J,) and widths (N,), of flux one: (N, 1024)."""
    total, weight = 0.0, weight / np.sum(weight)
    for sigma, w in zip(*point_spread.gaussians(fwhm=fwhm, beta=beta)):
        wide = np.sqrt(sigma**2 + width**2)[:, None]
        rows, columns = point_spread.fractions(y, wide), point_spread.fractions(x, wide)              # (N, J, 32) each
        total = total + w * np.einsum("j,njp,njq->npq", weight, rows, columns, optimize=True)         # (3)
    return total.reshape(len(x), -1)


def steps(low, high):
    """The middles of J equal steps."""
    return low + (high - low) * (np.arange(N_STEPS) + 0.5) / N_STEPS


def check_feature(theta, s, dim):
    """θ (N, 5) and s (N, dim) with a fraction between 0 and 1 in front, or ValueError."""
    theta = galaxy_image.check_theta(theta)
    s = checks.as_array("s", s, (len(theta), dim))
    checks.check_finite("s", s)
    if not ((s[:, 0] >= 0) & (s[:, 0] <= 1)).all():
        raise ValueError(f"s: expected fractions of the light in column 0, got {float(s[:, 0].min()):.6g} to {float(s[:, 0].max()):.6g}")
    return theta, s


RING = Kind("ring", BoxUniform([0.15, 5.0, 0.7], [0.4, 11.0, 1.5]), ring)
ARC = Kind("arc", BoxUniform([0.05, 5.0, 0.0, 0.6, 0.5], [0.2, 11.0, 2 * np.pi, 2.0, 1.0]), arc)
TAIL = Kind("tail", BoxUniform([0.08, 9.0, 0.0, -2.0, 0.8], [0.25, 14.0, 2 * np.pi, 2.0, 1.6]), tail)
MERGER = Kind("merger", BoxUniform([0.2, 4.0, 0.0, 1.5, 0.5, 0.0, 0.0, 0.1, -2.0],
                                   [0.5, 9.0, 2 * np.pi, 4.0, 4.0, 0.7, np.pi, 0.3, 2.0]), merger)
