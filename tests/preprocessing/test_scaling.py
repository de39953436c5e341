"""Scaling against scikit-learn's, and what fitting it must refuse."""
import numpy as np
import pytest
from scipy import stats
from sklearn.preprocessing import StandardScaler

import accel
import reference
from reference.preprocessing.scaling import fit_scaling

X = np.random.default_rng(0).gamma(2.0, 3.0, (500, 3)) * [1.0, 1e-3, 50.0] + [0.0, 10.0, -4.0]


def test_scaling_is_scikit_learns():
    theirs, ours = StandardScaler().fit(X), fit_scaling(X)
    np.testing.assert_allclose(ours.mean, theirs.mean_, rtol=1e-13)
    np.testing.assert_allclose(ours.std, theirs.scale_, rtol=1e-12)
    np.testing.assert_allclose(ours.apply(X), theirs.transform(X), atol=1e-9)
    np.testing.assert_allclose(ours.undo(ours.apply(X)), X, rtol=1e-13)
    np.testing.assert_allclose(ours.apply(X[3]), theirs.transform(X[3:4])[0], atol=1e-9)


def test_log_det_moves_a_density():
    scaling = fit_scaling(X)
    theirs = stats.norm(scaling.mean, scaling.std).logpdf(X).sum(axis=1)
    np.testing.assert_allclose(stats.norm.logpdf(scaling.apply(X)).sum(axis=1) + scaling.log_det, theirs,
                               rtol=1e-11)


@pytest.mark.parametrize("package", [reference, accel])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_constant_column_is_shifted_and_not_divided(package, dtype):
    x = np.column_stack((np.full(10_000, 0.1), np.arange(10_000))).astype(dtype)
    scaling = package.preprocessing.scaling.fit_scaling(x)
    assert scaling.std[0] == 1 and scaling.mean[0] == x[0, 0] and (scaling.apply(x)[:, 0] == 0).all()
    assert package.preprocessing.scaling.fit_scaling(x[:1]).std.tolist() == [1, 1]


def test_accel_keeps_its_digits_in_float32():
    x = (np.random.default_rng(1).standard_normal((200_000, 1)) + 300).astype(np.float32)
    scaling = accel.preprocessing.scaling.fit_scaling(x)
    assert scaling.std.dtype == np.float32
    np.testing.assert_allclose([scaling.mean[0], scaling.std[0]],
                               [x.astype(float).mean(), x.astype(float).std()], rtol=1e-6)


@pytest.mark.parametrize("package", [reference, accel])
@pytest.mark.parametrize(("x", "message"), [
    ([[1.0, np.nan]], "x: expected finite"), ([1.0, 2.0], r"x: expected shape \(N, D\)"),
    (np.zeros((0, 2)), "x: number of rows"),
    ([["a"]], "x: expected real numbers"),
])
def test_bad_input_is_named(package, x, message):
    with pytest.raises(ValueError, match=message):
        package.preprocessing.scaling.fit_scaling(x)


@pytest.mark.parametrize("package", [reference, accel])
def test_one_scale_keeps_proportions(package):
    """Columns of deviations 3 and 4 have a mean variance of 12.5; what is scaled has one, on average."""
    module, x = package.preprocessing.scaling, np.array([[7.0, 1.0], [1.0, 9.0]])
    mean, scale = module.centre_and_scale(x)
    assert mean.tolist() == [4.0, 5.0] and type(scale) is float and abs(scale - np.sqrt(12.5)) < 1e-15
    np.testing.assert_allclose(module.scaled(x, mean, scale),
                               np.array([[3.0, -4.0], [-3.0, 4.0]]) / np.sqrt(12.5))


@pytest.mark.parametrize("package", [reference, accel])
@pytest.mark.parametrize(("x", "message"),
                         [(np.ones((1, 2)), "x: number of rows"), (np.ones((3, 2)), "x: standard deviation"),
                          (np.float64(1.0), "x: number of rows"), ([[1.0], [np.inf]], "x: expected finite")])
def test_what_has_no_scale_is_named(package, x, message):
    with pytest.raises(ValueError, match=message):
        package.preprocessing.scaling.centre_and_scale(x)
