import numpy as np

from tests.agreement.registry import case, error_of

NOTE = "integers in, float64 out, whatever the dtype of the run"


def assigned(paint, n):
    """Clusters 0 to 4, of which 3 is empty, and classes 0 to 2, unevenly filled."""
    return (np.array([0, 1, 1, 2, 4, 4, 4])[paint.integers(0, 7, n)],
            np.array([0, 1, 1, 2])[paint.integers(0, 4, n)])


@case("representation.clusters.cluster_table", dtypes=("float64",), note=NOTE)
def _(on, paint, n):
    cluster_table, (a, y) = on.package.representation.clusters.cluster_table, assigned(paint, n)
    return (cluster_table(on.put(a), on.put(y)),
            cluster_table(on.put(a.astype(np.uint8)), y, n_clusters=6, n_classes=4))


@case("representation.clusters.cluster_table#bad input", sizes=(7,), dtypes=("float64",),
      note="a message names the dtype of the run")
def _(on, paint, n):
    cluster_table, (a, y) = on.package.representation.clusters.cluster_table, assigned(paint, n)
    bad = [(a[:-1], y), (a, y[:-1]), (a - 5, y), (a, y * 1.0), (a[None], y), (a[:0], y[:0]), (a > 0, y)]
    settings = ({"n_clusters": 1}, {"n_classes": 1}, {"n_classes": 2.5}, {"n_clusters": 0})
    return [error_of(cluster_table, on.put(one), on.put(other)) for one, other in bad], [
        error_of(cluster_table, on.put(a), on.put(y), **bad) for bad in settings]


@case("representation.clusters.ClusterTable.text", sizes=(7, 31))
def _(on, paint, n):
    table = on.package.representation.clusters.cluster_table(*map(on.put, assigned(paint, n)), n_classes=3)
    return table.text(), table.text(["star", "galaxy", "quasar"]), error_of(table.text, ["star"])
