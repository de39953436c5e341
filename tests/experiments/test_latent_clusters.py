"""What the experiment on latent clusters measures with: three clouds that are known, and an order by hand."""
import numpy as np
import pytest

import accel
import reference
from experiments import latent_clusters
from experiments.harness import framework

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def settings(package):
    return framework.settings(backend=package.__name__, where="cpu", dtype="float64", quick=True)


def clouds(n=60):
    """Three clouds, one long, far from the origin and in large units; the last is of two classes, half and
    half."""
    rng, labels = np.random.default_rng(0), np.repeat([0, 1, 2], n)
    z = np.array([[0.0, 0.0], [40.0, 0.0], [0.0, 40.0]])[labels] + rng.standard_normal((3 * n, 2)) * (3.0,
                                                                                                      1.0)
    return 1e3 + 10 * z, labels + (np.arange(3 * n) % 2) * (labels == 2)


def test_codes_are_shifted_and_scaled_by_one_number():
    z, other = latent_clusters.standardised(np.array([[0.0, 1.0], [4.0, 3.0]]), np.array([[2.0, 12.0]]))
    assert np.allclose(z.mean(axis=0), 0) and np.isclose((z**2).mean(), 1)
    assert np.isclose(np.ptp(z[:, 0]) / np.ptp(z[:, 1]), 2)
    assert np.allclose(other, [[0, 10 / np.sqrt(2.5)]])


@BOTH
def test_known_clouds_are_found_and_the_table_says_what_they_hold(package):
    """Purity (60 + 60 + 30)/180; with labels that have nothing to do with the clouds it must be far lower."""
    on, (z, labels) = settings(package), clouds()
    z, = latent_clusters.standardised(z)
    model = latent_clusters.mixture(on, z, 3)
    found = latent_clusters.table(on, model, z, labels)
    assert found.counts.shape == (3, 10) and found.purity == pytest.approx(150 / 180)
    assert sorted(map(tuple, found.counts[:, :4])) == [(0, 0, 30, 30), (0, 60, 0, 0), (60, 0, 0, 0)]
    assert latent_clusters.table(on, model, z, np.random.default_rng(0).integers(0, 10, 180)).purity < 0.3


def test_the_order_of_reading():
    """By most frequent digit, the one with most of it first, an empty one last."""
    counts = np.zeros((5, 10), int)
    counts[0, 7], counts[1, 3], counts[2, 3], counts[4, 0] = 5, 2, 9, 1
    counts[1, 8] = 1
    assert latent_clusters.reading_order(counts) == [4, 2, 1, 0, 3]


def test_there_is_a_letter_for_each_cluster_and_what_is_shown_is_run():
    assert len(latent_clusters.LETTERS) == latent_clusters.SHOWN
    assert latent_clusters.SHOWN in latent_clusters.COMPONENTS
    assert latent_clusters.SHOWN in latent_clusters.QUICK["components"] and latent_clusters.LATENTS[0] == 2
