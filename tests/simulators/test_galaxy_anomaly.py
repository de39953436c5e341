"""Anomalies are as bright and as noisy as ordinary galaxies, and no ordinary galaxy fits them."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.simulators import galaxy_anomaly, galaxy_image

BOTH = pytest.mark.parametrize("package", [reference, accel])
KINDS = (galaxy_anomaly.MERGER, galaxy_anomaly.RING, galaxy_anomaly.TAIL, galaxy_anomaly.ARC)
EACH = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])


@EACH
def test_anomalies_are_as_bright_and_as_noisy_as_ordinary_galaxies(kind, seed):
    rng, n = np.random.default_rng((seed, 7)), 150
    theta = galaxy_image.prior.sample(rng, n)
    ordinary = galaxy_image.simulate(rng, theta)
    anomalies = galaxy_anomaly.simulate(rng, n, kind)
    inside = kind.image(anomalies.theta, anomalies.s).sum(axis=1) / anomalies.theta[:, 0]
    usual = galaxy_image.image(theta).sum(axis=1) / theta[:, 0]
    assert abs(inside.mean() - usual.mean()) < 0.03                   # light that falls off the image
    gap = anomalies.x.sum(axis=1).mean() - ordinary.sum(axis=1).mean()
    assert abs(gap) < 4 * np.sqrt(2 / n) * ordinary.sum(axis=1).std() + 0.03 * 2000
    noise = anomalies.x - kind.image(anomalies.theta, anomalies.s)
    assert abs(noise.std() - 1) < 5 / np.sqrt(2 * noise.size)


@pytest.mark.slow
@EACH
def test_no_ordinary_galaxy_looks_like_it(kind):
    """The residuals of the best ordinary galaxy exceed the noise in most anomalies, in no ordinary galaxy."""
    from scipy.optimize import least_squares
    rng, n = np.random.default_rng(5), 12
    settings = {"bounds": ([1.0, 0.5, 0.2, 0.0, -4.0], [6000.0, 20.0, 8.0, 0.95, 8.0]),
                "x_scale": [1000, 3, 1, 0.3, 1], "max_nfev": 30}

    def misfit(x, start):
        starts = ([*start[:4], angle] for angle in (start[4], start[4] + 1.5))
        return min(2 * least_squares(lambda theta: galaxy_image.image([theta])[0] - x, at, **settings).cost
                   for at in starts)
    found = galaxy_anomaly.simulate(rng, n, kind)
    theta = galaxy_image.prior.sample(rng, n)
    ordinary = galaxy_image.simulate(rng, theta)
    limit = stats.chi2(1024 - 5).isf(1e-4)
    assert sum(misfit(x, start) > limit for x, start in zip(found.x, found.theta)) >= 0.6 * n
    assert sum(misfit(x, start) > limit for x, start in zip(ordinary, theta)) == 0


@BOTH
@pytest.mark.parametrize(("call", "message"), [
    (lambda m, rng: m.simulate(rng, 5, "ring"),
     "kind: expected MERGER, RING, TAIL, ARC or another Kind, got 'ring'"),
    (lambda m, rng: m.simulate(rng, 0, m.RING), "n: expected a whole number"),
    (lambda m, rng: m.simulate(rng, 5, m.RING, noise=-1.0), "noise: expected a positive"),
])
def test_bad_input_is_named(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.simulators.galaxy_anomaly, np.random.default_rng(0))
