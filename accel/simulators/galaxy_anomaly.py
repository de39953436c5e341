"""Anomalous galaxies: mergers, rings, tidal tails and lensing arcs, as bright as ordinary galaxies.

The mathematics is in `reference.simulators.galaxy_anomaly`. Same values; θ and s are drawn where rng draws,
and the image is added to the noise in place.

Example
-------
>>> import numpy as np
>>> from accel.simulators import galaxy_anomaly
>>> found = galaxy_anomaly.simulate(np.random.default_rng(0), 2, galaxy_anomaly.RING)
>>> print(found.theta.shape, found.s.shape, found.x.shape)
(2, 5) (2, 3) (2, 1024)
"""
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from accel.device import like
from accel.priors import BoxUniform
from accel.runtime import checks
from accel.runtime.protocols import Rng
from accel.simulators import galaxy_image
from accel.simulators.galaxy_features import arc, merger, ring, tail

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
    theta = galaxy_image.prior.sample(rng, n)                         # (1)
    s = kind.prior.sample(rng, n)
    mean = kind.image(theta, s, fwhm=fwhm, beta=beta)
    x = like(theta, rng.standard_normal(mean.shape))
    x *= checks.check_positive("noise", noise)
    x += mean                                                         # (2)
    return Anomalies(theta, s, x)


RING = Kind("ring", BoxUniform([0.15, 5.0, 0.7], [0.4, 11.0, 1.5]), ring)
ARC = Kind("arc", BoxUniform([0.05, 5.0, 0.0, 0.6, 0.5], [0.2, 11.0, 2 * np.pi, 2.0, 1.0]), arc)
TAIL = Kind("tail", BoxUniform([0.08, 9.0, 0.0, -2.0, 0.8], [0.25, 14.0, 2 * np.pi, 2.0, 1.6]), tail)
MERGER = Kind("merger", BoxUniform([0.2, 4.0, 0.0, 1.5, 0.5, 0.0, 0.0, 0.1, -2.0],
                                   [0.5, 9.0, 2 * np.pi, 4.0, 4.0, 0.7, np.pi, 0.3, 2.0]), merger)
