"""Features against a sum of SciPy's normals along their curve; their light is taken from the galaxy."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.simulators import galaxy_anomaly, galaxy_image

BOTH = pytest.mark.parametrize("package", [reference, accel])
KINDS = (galaxy_anomaly.MERGER, galaxy_anomaly.RING, galaxy_anomaly.TAIL, galaxy_anomaly.ARC)
EACH = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
HOST = np.array([[1000.0, 1.5, 1.0, 0.4, 0.5]])
VARIANCE = 3.0**2 / (8 * np.log(2))                                   # of the default point spread function


def feature(kind, s):
    """F m₁ of (2), alone, (32, 32)."""
    s = np.array([s])
    return (kind.image(HOST, s) - (1 - s[0, 0]) * galaxy_image.image(HOST)).reshape(32, 32) / s[0, 0]


def painted(x, y, weight, width):
    """Normals along a curve, in pixels, by SciPy's distribution function: 1,000 flux."""
    edges, std = np.arange(33) - 16, np.sqrt(VARIANCE + width**2)
    rows, columns = (np.diff(stats.norm.cdf(edges[:, None], points, std), axis=0) for points in (y, x))
    return 1000 * rows * (weight / weight.sum()) @ columns.T


def test_a_ring_lies_in_the_plane_of_its_galaxy():
    t = np.linspace(0, 2 * np.pi, 401)[:-1]
    u, v, angle = 8 * np.cos(t), 0.6 * 8 * np.sin(t), 0.5
    expected = painted(u * np.cos(angle) - v * np.sin(angle), u * np.sin(angle) + v * np.cos(angle),
                       np.ones(400), 1.1)
    np.testing.assert_allclose(feature(galaxy_anomaly.RING, [0.3, 8.0, 1.1]), expected,
                               atol=1e-6 * expected.max())


def test_an_arc_is_part_of_a_circle():
    t = 2.0 + 1.5 * ((np.arange(2000) + 0.5) / 2000 - 0.5)
    expected = painted(7 * np.cos(t), 7 * np.sin(t), np.ones(2000), 0.8)
    np.testing.assert_allclose(feature(galaxy_anomaly.ARC, [0.1, 7.0, 2.0, 1.5, 0.8]), expected,
                               atol=1e-3 * expected.max())


def test_a_tail_leaves_the_half_light_radius_and_fades():
    t = (np.arange(2000) + 0.5) / 2000
    rho, angle = 1.5 + 9.5 * t, 4.0 - 1.5 * t
    expected = painted(rho * np.cos(angle), rho * np.sin(angle), 1 - 0.75 * t, 1.2)
    np.testing.assert_allclose(feature(galaxy_anomaly.TAIL, [0.2, 11.0, 4.0, -1.5, 1.2]), expected,
                               atol=1e-3 * expected.max())


def test_a_merger_has_a_second_galaxy_and_its_tail():
    shape = [2.0, 1.0, 0.3, 1.2]
    second = galaxy_image.image([[1000.0, *shape]],
                                centre=np.array([[6 * np.cos(0.4), 6 * np.sin(0.4)]])).reshape(32, 32)
    t = (np.arange(2000) + 0.5) / 2000
    out = painted((6 + 6 * t) * np.cos(0.4 + t), (6 + 6 * t) * np.sin(0.4 + t), 1 - 0.75 * t, 1.0)
    expected = 0.8 * second + 0.2 * out
    found = feature(galaxy_anomaly.MERGER, [0.4, 6.0, 0.4, *shape, 0.2, 1.0])
    np.testing.assert_allclose(found, expected, atol=1e-3 * expected.max())


@EACH
def test_a_feature_takes_its_light_from_the_galaxy(kind):
    """All flux is in the image of a small galaxy with a short feature; with f = 0 the galaxy is ordinary."""
    s = (kind.prior.low + 0.2 * (kind.prior.high - kind.prior.low))[None]
    if kind is galaxy_anomaly.MERGER:
        s[0, 3:6] = 1.5, 0.6, 0.0
    host = np.array([[1000.0, 1.5, 0.6, 0.2, 0.5]])
    assert kind.image(host, s).sum() == pytest.approx(1000, rel=3e-3)
    assert kind.image(2 * host * [1, 0.5, 0.5, 0.5, 0.5], s).sum() == pytest.approx(2000, rel=3e-3)
    s[0, 0] = 0.0
    np.testing.assert_allclose(kind.image(host, s), galaxy_image.image(host), rtol=1e-12)


@BOTH
@pytest.mark.parametrize(("call", "message"), [
    (lambda m: m.ring(HOST, [[0.3, 8.0]]), r"s: expected shape \(1, 3\)"),
    (lambda m: m.arc(HOST, [[1.3, 7.0, 2.0, 1.5, 0.8]]),
     "s: expected fractions of the light in column 0, got 1.3 to 1.3"),
    (lambda m: m.tail(HOST, [[0.3, np.nan, 2.0, 1.5, 0.8]]), "s: expected finite"),
    (lambda m: m.merger(HOST[:, :4], np.zeros((1, 9))), r"theta: expected shape \(N, 5\)"),
    (lambda m: m.merger(HOST, [[0.3, 5.0, 0.0, -2.0, 1.0, 0.3, 1.2, 0.2, 1.0]]),
     "theta: expected a positive half-light radius"),
])
def test_bad_input_is_named(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.simulators.galaxy_features)
