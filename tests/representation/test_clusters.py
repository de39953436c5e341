"""Cluster table: a small one by hand, scikit-learn's contingency matrix, and a text that is known letter by
letter."""
import numpy as np
import pytest
from sklearn.metrics.cluster import contingency_matrix

import accel
import reference
from tests.agreement.registry import error_of

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])

# Eight galaxies: cluster 0 holds three lenses and one other, cluster 1 one lens and two others, cluster 3 one
# other; cluster 2 is empty
ASSIGNMENT = [0, 0, 1, 0, 1, 1, 0, 3]
LENS = [1, 1, 0, 1, 0, 1, 0, 0]


@BOTH
def test_hand_worked(package):
    table = package.representation.clusters.cluster_table(ASSIGNMENT, LENS)
    assert np.array_equal(table.counts, [[1, 3], [2, 1], [0, 0], [1, 0]])
    assert np.array_equal(table.fraction, [[0.25, 0.75], [2 / 3, 1 / 3], [np.nan, np.nan], [1, 0]],
                          equal_nan=True)
    assert np.array_equal(table.share, [[0.25, 0.75], [0.5, 0.25], [0, 0], [0.25, 0]])
    assert table.purity == (3 + 2 + 0 + 1) / 8 and type(table.purity) is float


@BOTH
def test_an_empty_class_has_no_shares(package):
    table = package.representation.clusters.cluster_table([0, 1, 1], [0, 2, 2], n_clusters=3, n_classes=4)
    assert np.array_equal(table.share[:, [1, 3]], np.full((3, 2), np.nan), equal_nan=True)
    assert np.array_equal(table.counts.sum(axis=1), [1, 2, 0]) and table.purity == 1


@BOTH
@pytest.mark.parametrize("dtype", ["int64", "uint8", "uint64"])
def test_counts_are_scikit_learns(package, dtype):
    rng = np.random.default_rng(0)
    a, y = rng.integers(0, 12, 500).astype(dtype), rng.integers(0, 10, 500).astype(dtype)
    table = package.representation.clusters.cluster_table(a, y)
    expected = contingency_matrix(y, a).T
    assert np.array_equal(table.counts, expected) and not np.array_equal(table.counts[:10], expected[:10].T)
    assert (np.abs(table.fraction.sum(axis=1) - 1).max() < 1e-14
            and np.abs(table.share.sum(axis=0) - 1).max() < 1e-14)


@BOTH
def test_purity_of_the_extremes(package):
    """One cluster for all is as pure as the most frequent class is frequent; a cluster for each object, or
    each class, is pure."""
    y = np.array([0, 1, 1, 2, 1])
    for a, purity in ((np.zeros(5, int), 0.6), (np.arange(5), 1.0), (y, 1.0), (2 - y, 1.0),
                      ([0, 0, 0, 1, 1], 0.6), ([0, 1, 1, 1, 0], 0.6)):
        assert package.representation.clusters.cluster_table(a, y).purity == purity


@BOTH
def test_the_text_is_known_letter_by_letter(package):
    table = package.representation.clusters.cluster_table(ASSIGNMENT, LENS)
    assert table.text(["other", "lens"]).splitlines() == [
        "| cluster | size |       other |       lens |",
        "|--------:|-----:|------------:|-----------:|",
        "|       3 |    1 | 100 %, 25 % |          · |",
        "|       0 |    4 |  25 %, 25 % | 75 %, 75 % |",
        "|       1 |    3 |  67 %, 50 % | 33 %, 25 % |",
        "|       2 |    0 |           · |          · |",
        "",
        "In a cell: fraction of the cluster, share of the class. Purity 75.0 %."]
    assert table.text().splitlines()[0].split() == ["|", "cluster", "|", "size", "|", "0", "|", "1", "|"]


@BOTH
def test_bad_input_is_refused(package):
    cluster_table = package.representation.clusters.cluster_table
    assert error_of(cluster_table, ASSIGNMENT, LENS[:-1]) == (
        "ValueError: labels: expected shape (8,), as that of the assignment, got (7,)")
    assert error_of(cluster_table, [0, -1], [0, 0]) == (
        "ValueError: assignment: expected numbers from 0, got -1")
    assert error_of(cluster_table, [0, 1], [0.0, 1.0]) == (
        "ValueError: labels: expected integers, got dtype float64")
    assert error_of(cluster_table, [True, False], [0, 1]) == (
        "ValueError: assignment: expected integers, got dtype bool")
    assert error_of(cluster_table, [[0, 1]], [0, 1]) == (
        "ValueError: assignment: expected shape (N,), got (1, 2)")
    none = np.zeros(0, int)
    assert error_of(cluster_table, none, none) == (
        "ValueError: assignment: number of objects: expected a whole number of at least 1, got 0")
    assert error_of(cluster_table, [0, 3], [0, 0], n_clusters=3) == (
        "ValueError: n_clusters: expected at least 4, since assignment holds 3, got 3")
    assert error_of(cluster_table, [0, 3], [0, 2], n_classes=2) == (
        "ValueError: n_classes: expected at least 3, since labels holds 2, got 2")
    table = cluster_table(ASSIGNMENT, LENS)
    assert error_of(table.text, ["one"]) == "ValueError: names: expected 2, one for each class, got 1"
