"""What the comparison of methods smooths ABC's few parameters with: against the density that they were drawn
from."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from experiments import sbi_methods

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


@BOTH
def test_smoothing_keeps_the_density_of_the_points(package):
    """100 points of a normal density: 4,000 smoothed draws have its quantiles, wider by the kernel alone, and
    repeat no point."""
    prior = package.priors.Normal([0.0, 0.0], [2.0, 0.1])
    points = prior.sample(np.random.default_rng(0), 100)
    drawn = sbi_methods.smoothed(np, np.random.default_rng(1), prior, points, 4000)
    assert drawn.shape == (4000, 2) and len(np.unique(drawn, axis=0)) == 4000
    ratio = drawn.std(axis=0) / points.std(axis=0)
    assert (1.02 < ratio).all() and (ratio < 1.3).all()
    assert np.abs(drawn.mean(axis=0) - points.mean(axis=0)).max() < 0.2
    assert stats.kstest(drawn[:, 0] / 2, "norm").statistic < 0.15


@BOTH
def test_two_clusters_stay_apart_and_inside_the_prior(package):
    """The width is that which predicts left-out points: far below the distance of the clusters."""
    prior, rng = package.priors.BoxUniform([-1.0], [1.0]), np.random.default_rng(2)
    points = np.concatenate((-0.8 + 0.01 * rng.standard_normal((200, 1)),
                             0.97 + 0.005 * rng.standard_normal((200, 1))))
    drawn = sbi_methods.smoothed(np, np.random.default_rng(3), prior, np.minimum(points, 0.99), 4000)
    assert prior.contains(drawn).all() and np.mean(np.abs(drawn) < 0.5) < 0.02
    assert abs(np.mean(drawn > 0) - 0.5) < 0.05 and 0.009 < drawn[drawn < 0].std() < 0.02
