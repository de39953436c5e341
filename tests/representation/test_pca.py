"""PCA: scikit-learn to 1e-10, a plane that was put there, its sign, and what it refuses."""
import numpy as np
import pytest
import scipy.linalg
import sklearn.decomposition

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.agreement.registry import error_of

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
SHAPES = pytest.mark.parametrize(("n", "dim", "k"),
                                 [(200, 6, 3), (50, 5, 5), (12, 30, 4), (12, 30, 11), (5000, 3, 1)])


def data(n, dim, dtype=float):
    """Correlated columns far from the origin, with spectra that no symmetry makes equal."""
    rng = np.random.default_rng(0)
    scales = np.linspace(3.0, 0.5, min(n, dim))
    return ((rng.standard_normal((n, len(scales))) * scales) @ rng.standard_normal((len(scales), dim)) + 5.0
            * np.arange(dim)).astype(dtype)


@BOTH
@SHAPES
@pytest.mark.parametrize("whiten", [False, True])
def test_it_is_scikit_learns(package, n, dim, k, whiten):
    x = data(n, dim)
    ours = package.representation.pca.fit(x, n_components=k, whiten=whiten)
    theirs = sklearn.decomposition.PCA(k, whiten=whiten, svd_solver="full")
    scores = theirs.fit_transform(x)
    sign = np.sign(np.sum(ours.components * theirs.components_, axis=1))
    scale = np.abs(scores).max()
    assert np.abs(ours.mean - theirs.mean_).max() < 1e-10
    assert np.abs(ours.components - sign[:, None] * theirs.components_).max() < 1e-10
    assert np.abs(ours.explained_variance / theirs.explained_variance_ - 1).max() < 1e-10
    assert np.abs(ours.transform(x) - sign * scores).max() < 1e-10 * scale
    assert np.abs(ours.inverse_transform(ours.transform(x))
                  - theirs.inverse_transform(scores)).max() < 1e-10 * np.abs(x).max()


@BOTH
@SHAPES
def test_scores_are_uncorrelated_with_the_explained_variance(package, n, dim, k):
    x = data(n, dim)
    plain, white = (package.representation.pca.fit(x, n_components=k, whiten=whiten)
                    for whiten in (False, True))
    assert np.abs(np.cov(plain.transform(x).T, ddof=1)
                  - np.diag(plain.explained_variance)).max() < 1e-10 * plain.explained_variance[0]
    assert np.abs(np.cov(white.transform(x).T, ddof=1) - np.eye(k)).max() < 1e-10
    assert (np.diff(plain.explained_variance) <= 0).all()


@BOTH
def test_it_finds_the_plane_that_was_put_there(package):
    """Points exactly in a plane: the plane to 1e-6 degrees, and a reconstruction without error; one component
    is not enough."""
    rng = np.random.default_rng(1)
    plane = scipy.linalg.orth(rng.standard_normal((7, 2)))
    x = 4.0 + rng.standard_normal((100, 2)) * (3.0, 1.0) @ plane.T
    fitted = package.representation.pca.fit(x, n_components=2)
    assert np.degrees(scipy.linalg.subspace_angles(fitted.components.T, plane)).max() < 1e-6
    assert np.abs(fitted.inverse_transform(fitted.transform(x)) - x).max() < 1e-12
    line = package.representation.pca.fit(x, n_components=1)
    assert np.abs(line.inverse_transform(line.transform(x)) - x).max() > 0.5


@BOTH
def test_largest_entry_of_a_component_is_positive(package):
    """Also for data mirrored through the origin, whose components a solver may well return with the other
    sign."""
    x = data(40, 8)
    one, other = (package.representation.pca.fit(sign * x, n_components=5) for sign in (1, -1))
    for fitted in (one, other):
        assert (fitted.components[np.arange(5), np.abs(fitted.components).argmax(axis=1)] > 0).all()
    assert np.abs(one.components - other.components).max() < 1e-10


@BOTH
def test_float32_stays_float32(package):
    x = data(200, 6, np.float32)
    fitted = package.representation.pca.fit(x, n_components=3)
    exact = package.representation.pca.fit(x.astype(np.float64), n_components=3)
    assert {a.dtype for a in (*fitted[:3], fitted.transform(x),
                              fitted.inverse_transform(fitted.transform(x)))} == {np.dtype(np.float32)}
    assert np.abs(fitted.components - exact.components).max() < 1e-4


@BOTH
def test_integers_and_lists_are_numbers(package):
    x = np.arange(24).reshape(8, 3) ** 2 % 17
    fitted = package.representation.pca.fit(x.tolist(), n_components=2)
    assert_close(fitted.components,
                 package.representation.pca.fit(x.astype(float), n_components=2).components)


@pytest.mark.parametrize(("writer", "reader"), [(reference, accel), (accel, reference)],
                         ids=["reference-accel", "accel-reference"])
def test_a_saved_analysis_loads_in_the_other_package(tmp_path, writer, reader):
    x = data(30, 4)
    fitted = writer.representation.pca.fit(x, n_components=2, whiten=True)
    fitted.save(tmp_path / "pca.npz")
    loaded = reader.representation.pca.load(tmp_path / "pca.npz")
    assert isinstance(loaded, reader.representation.pca.PCA) and loaded.whiten is True
    assert all(np.array_equal(a, b) and a.dtype == b.dtype
               for a, b in zip(loaded[:3], fitted[:3], strict=True))
    assert_close(loaded.transform(x), fitted.transform(x), terms=4)


@BOTH
def test_bad_input_is_refused(package, tmp_path):
    fit, x = package.representation.pca.fit, data(10, 4)
    hole = x.copy()
    hole[3, 1], hole[7, 0] = np.nan, np.inf
    assert error_of(fit, x[0], n_components=1) == "ValueError: x: expected shape (N, D), got (4,)"
    assert error_of(fit, x[:1], n_components=1) == (
        "ValueError: x: number of rows: expected a whole number of at least 2, got 1")
    assert error_of(fit, hole, n_components=1) == (
        "ValueError: x: expected finite numbers, got NaN or inf in 2 of 10 rows (first: row 3)")
    assert error_of(fit, x > 0, n_components=1).startswith("ValueError: x: expected real numbers")
    assert error_of(fit, x, n_components=0) == (
        "ValueError: n_components: expected a whole number of at least 1, got 0")
    assert error_of(fit, x, n_components=5) == (
        "ValueError: n_components: expected at most min(D, N - 1) = 4, got 5")
    assert error_of(fit, x[:3], n_components=3) == (
        "ValueError: n_components: expected at most min(D, N - 1) = 2, got 3")
    assert error_of(fit, np.ones((5, 2)), n_components=1,
                    whiten=True).startswith("ValueError: whiten: expected a positive variance")
    # a column that is the sum of two: zero variance but for rounding
    for seed in range(20):
        y = np.random.default_rng(seed).standard_normal((50, 3))
        y = np.column_stack((y, y[:, 0] + y[:, 1]))
        for dtype in (np.float64, np.float32):
            assert "zero to rounding" in error_of(fit, y.astype(dtype), n_components=4, whiten=True)
    fitted = fit(x, n_components=2)
    assert error_of(fitted.transform, x[:, :3]) == "ValueError: x: expected shape (N, 4), got (10, 3)"
    assert error_of(fitted.inverse_transform, x) == "ValueError: z: expected shape (N, 2), got (10, 4)"
    (tmp_path / "text.npz").write_text("not an archive")
    assert "truncated or foreign" in error_of(package.representation.pca.load, tmp_path / "text.npz")
