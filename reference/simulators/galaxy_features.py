"""Features of anomalous galaxies: mergers, rings, tidal tails and lensing arcs, painted into galaxy images.

    (1)  m = (1 − f) m₀(θ) + f m₁(θ, s)                              m₀ the ordinary image, m₁ the feature
    (2)  m₁ = F ∑ⱼ ωⱼ N(cⱼ, h² I), blurred and on pixels             a stream: width h, along a curve c(t)
    (3)  ring   c(t) = R (cos t, q sin t), turned by φ,  t in (0, 2π)                   in the galaxy's plane
         arc    c(t) = R (cos t, sin t),  |t − a| < half the opening                    R: the Einstein radius
         tail   c(t) = ρ (cos(a + k t), sin(a + k t)),  ρ = r + (R − r) t,  t in (0, 1),  ω ∝ 1 − ¾t
    (4)  merger m₁: a second galaxy at distance d, and a tail from it with a share of its light

The light of a feature is taken from the galaxy: the image has the flux F of an ordinary galaxy of the same θ,
so that brightness carries no information. ∑ⱼ ωⱼ = 1. A Gaussian blurred by a sum of Gaussians is a sum of
Gaussians, of variances σₖ² + h²: `numerics.point_spread` integrates a stream over pixels exactly.

Shapes        N galaxies, J = 48 steps; θ (N, 5), s (N, 3 to 9), images (N, 1024) as in
              `simulators.galaxy_image`.
Conventions   lengths in pixels, angles in radians; flux that falls outside the image is lost, as for an
              ordinary galaxy.
Departures    a lens's counter-image, dust and star formation are left out.

Example
-------
>>> import numpy as np
>>> from reference.simulators import galaxy_features
>>> theta = np.array([[1000.0, 1.5, 1.0, 0.0, 0.0]])
>>> image = galaxy_features.ring(theta, np.array([[0.3, 8.0, 1.0]])).reshape(32, 32)
>>> print(image.sum().round(-1), image[16, 24] > image[16, 29])
1000.0 True
"""
import math

import numpy as np

from reference.numerics import point_spread
from reference.runtime import checks
from reference.runtime.protocols import Array
from reference.simulators import galaxy_image

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
    theta, s = check_feature(theta, s, 3)
    f, radius, width = s.T
    t = steps(0.0, 2 * np.pi)
    along, across = radius[:, None] * np.cos(t), (radius * (1 - theta[:, 3]))[:, None] * np.sin(t)    # (3)
    cos, sin = np.cos(theta[:, 4:]), np.sin(theta[:, 4:])
    x, y = along * cos - across * sin, along * sin + across * cos
    feature = stream(x, y, np.ones_like(t), width, fwhm, beta)
    return mixed(theta, f, feature, fwhm, beta)


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
    theta, s = check_feature(theta, s, 5)
    f, radius, angle, opening, width = s.T
    t = angle[:, None] + opening[:, None] * steps(-0.5, 0.5)
    x, y = radius[:, None] * np.cos(t), radius[:, None] * np.sin(t)               # (3)
    feature = stream(x, y, np.ones(N_STEPS), width, fwhm, beta)
    return mixed(theta, f, feature, fwhm, beta)


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
    theta, s = check_feature(theta, s, 5)
    f, radius, angle, bend, width = s.T
    feature = bent_stream(theta[:, 1], radius, angle, bend, width, fwhm, beta)
    return mixed(theta, f, feature, fwhm, beta)


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
    theta, s = check_feature(theta, s, 9)
    f, distance, angle, share, bend = s[:, [0, 1, 2, 7, 8]].T
    centre = distance[:, None] * np.stack((np.cos(angle), np.sin(angle)), axis=1)
    second = np.column_stack((np.ones(len(s)), s[:, 3:7]))
    second = galaxy_image.image(second, centre=centre, fwhm=fwhm, beta=beta)
    out = bent_stream(distance, distance + 6, angle, bend, np.full(len(s), WIDTH), fwhm, beta)
    feature = (1 - share[:, None]) * second + share[:, None] * out                # (4)
    return mixed(theta, f, feature, fwhm, beta)


def mixed(theta, f, feature, fwhm, beta):
    """(1), for a feature of flux one."""
    f = f[:, None]
    return (1 - f) * galaxy_image.image(theta, fwhm=fwhm, beta=beta) + f * theta[:, :1] * feature        # (1)


def bent_stream(inner, outer, angle, bend, width, fwhm, beta):
    """The tail of (3), of flux one, (N, 1024)."""
    t = steps(0.0, 1.0)
    rho, turned = inner[:, None] + (outer - inner)[:, None] * t, angle[:, None] + bend[:, None] * t
    return stream(rho * np.cos(turned), rho * np.sin(turned), 1 - 0.75 * t, width, fwhm, beta)    # (3)


def stream(x, y, weight, width, fwhm, beta):
    """(2) for points x and y (N, J), weights (J,) and widths (N,), of flux one: (N, 1024)."""
    total, weight = 0.0, weight / np.sum(weight)
    for sigma, w in zip(*point_spread.gaussians(fwhm=fwhm, beta=beta)):
        wide = np.sqrt(sigma**2 + width**2)[:, None]
        rows, columns = point_spread.fractions(y, wide), point_spread.fractions(x, wide)      # (N, J, 32)
        total = total + w * np.einsum("j,njp,njq->npq", weight, rows, columns, optimize=True)     # (2)
    return total.reshape(len(x), -1)


def steps(low, high):
    """The middles of J equal steps."""
    return low + (high - low) * (np.arange(N_STEPS) + 0.5) / N_STEPS


def check_feature(theta, s, dim):
    """θ (N, 5) and s (N, dim), whose first column is a fraction between 0 and 1, or ValueError."""
    theta = galaxy_image.check_theta(theta)
    s = checks.as_array("s", s, (len(theta), dim))
    checks.check_finite("s", s)
    if not ((s[:, 0] >= 0) & (s[:, 0] <= 1)).all():
        raise ValueError("s: expected fractions of the light in column 0, got "
                         f"{float(s[:, 0].min()):.6g} to {float(s[:, 0].max()):.6g}")
    return theta, s
