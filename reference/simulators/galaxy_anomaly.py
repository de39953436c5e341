"""Anomalous galaxies: mergers, rings, tidal tails and lensing arcs, as bright as ordinary galaxies.

    (1)  θ ~ p(θ) of an ordinary galaxy (`simulators.galaxy_image`),  s ~ p(s) of the kind
    (2)  x = m(θ, s) + N(0, noise²)                  m the image of the kind (`simulators.galaxy_features`)

The priors p(s), lengths in pixels, angles in radians:

    ring     f ~ U(0.15, 0.4),   R ~ U(5, 11),  h ~ U(0.7, 1.5)
    arc      f ~ U(0.05, 0.2),   R ~ U(5, 11),  a ~ U(0, 2π),  opening ~ U(0.6, 2),  h ~ U(0.5, 1)
    tail     f ~ U(0.08, 0.25),  R ~ U(9, 14),  a ~ U(0, 2π),  k ~ U(−2, 2),  h ~ U(0.8, 1.6)
    merger   f ~ U(0.2, 0.5),    d ~ U(4, 9),   a ~ U(0, 2π)
             second galaxy   r ~ U(1.5, 4),  n ~ U(0.5, 4),  e ~ U(0, 0.7),  φ ~ U(0, π)
             its tail        share ~ U(0.1, 0.3),  k ~ U(−2, 2),  h = 1

Shapes        n galaxies; θ (n, 5), s (n, dim of the kind's prior), x (n, 1024) as in
              `simulators.galaxy_image`.
Conventions   in units of the noise of one pixel, as for ordinary galaxies.
Departures    shapes and ranges are chosen so that a feature has 5 to 50 % of the light.

Example
-------
>>> import numpy as np
>>> from reference.simulators import galaxy_anomaly
>>> found = galaxy_anomaly.simulate(np.random.default_rng(0), 2, galaxy_anomaly.RING)
>>> print(found.theta.shape, found.s.shape, found.x.shape)
(2, 5) (2, 3) (2, 1024)
"""
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reference.priors import BoxUniform
from reference.runtime import checks
from reference.runtime.protocols import Rng
from reference.simulators import galaxy_image
from reference.simulators.galaxy_features import arc, merger, ring, tail

__all__ = ["Kind", "Anomalies", "MERGER", "RING", "TAIL", "ARC", "simulate"]


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
    """Simulated anomalies.

    Attributes
    ----------
    theta : (N, 5) float
        The galaxies.
    s : (N, …) float
        The features.
    x : (N, 1024) float
        The images with noise.
    """
    theta: np.ndarray
    s: np.ndarray
    x: np.ndarray


def simulate(rng: Rng, n: int, kind: Kind, *, noise: float = 1.0, fwhm: float = 3.0,
             beta: float = math.inf) -> Anomalies:
    """n anomalies of one kind.

    Parameters
    ----------
    rng : Generator
    n : int
    kind : Kind
        MERGER, RING, TAIL, ARC or another.
    noise : float
        Standard deviation in each pixel.
    fwhm, beta : float
        Of the point spread function, see `numerics.point_spread.gaussians`.

    Raises
    ------
    ValueError
        If kind is no Kind, n is not a whole number above zero, or noise, fwhm or beta is not such a number.
    """
    if not isinstance(kind, Kind):
        raise ValueError(f"kind: expected MERGER, RING, TAIL, ARC or another Kind, got {kind!r}")
    theta = galaxy_image.prior.sample(rng, n)                                     # (1)
    s = kind.prior.sample(rng, n)
    mean = kind.image(theta, s, fwhm=fwhm, beta=beta)
    x = mean + checks.check_positive("noise", noise) * rng.standard_normal(mean.shape)        # (2)
    return Anomalies(theta, s, x)


RING = Kind("ring", BoxUniform([0.15, 5.0, 0.7], [0.4, 11.0, 1.5]), ring)
ARC = Kind("arc", BoxUniform([0.05, 5.0, 0.0, 0.6, 0.5], [0.2, 11.0, 2 * np.pi, 2.0, 1.0]), arc)
TAIL = Kind("tail", BoxUniform([0.08, 9.0, 0.0, -2.0, 0.8], [0.25, 14.0, 2 * np.pi, 2.0, 1.6]), tail)
MERGER = Kind("merger", BoxUniform([0.2, 4.0, 0.0, 1.5, 0.5, 0.0, 0.0, 0.1, -2.0],
                                   [0.5, 9.0, 2 * np.pi, 4.0, 4.0, 0.7, np.pi, 0.3, 2.0]), merger)
