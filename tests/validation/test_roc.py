"""ROC curves and their areas against scikit-learn, a hand-worked example, the closed form for normals, and
repeated draws."""
import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

import accel
import reference
from reference.validation import roc

BOTH = pytest.mark.parametrize("package", [reference, accel])


def lumpy(seed, n=70, m=50):
    """Scores with many ties, within a kind and between the two."""
    rng = np.random.default_rng(seed)
    return np.round(3 * rng.normal(0, 1, n)), np.round(3 * rng.normal(0.7, 1, m))


@BOTH
def test_by_hand(package):
    """Of the six pairs the anomaly wins three, ties one and loses two."""
    found = package.validation.roc.curve([1.0, 2.0, 4.0], [2.0, 3.0])
    np.testing.assert_array_equal(found.threshold, [np.inf, 4, 3, 2, 1])
    np.testing.assert_allclose(found.false_positive, [0, 1 / 3, 1 / 3, 2 / 3, 1], rtol=1e-15)
    np.testing.assert_allclose(found.true_positive, [0, 0, 1 / 2, 1, 1], rtol=1e-15)
    value, error = package.validation.roc.area([1.0, 2.0, 4.0], [2.0, 3.0])
    assert value == 3.5 / 6
    placements = np.var([1.5 / 3, 2 / 3], ddof=1) / 2 + np.var([1, 3 / 4, 0], ddof=1) / 3
    assert error == pytest.approx(np.sqrt(placements), rel=1e-14)


@BOTH
@pytest.mark.parametrize("ties", [True, False])
def test_curve_and_area_are_scikit_learns(package, ties):
    smooth = (np.random.default_rng(2).normal(k, 1, 40 + k) for k in (0, 1))
    ordinary, anomalous = lumpy(1) if ties else smooth
    labels, scores = np.repeat([0, 1], [len(ordinary), len(anomalous)]), np.concatenate((ordinary, anomalous))
    expected = metrics.roc_curve(labels, scores, drop_intermediate=False)
    for ours, theirs in zip(package.validation.roc.curve(ordinary, anomalous), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-14)
    value = package.validation.roc.area(ordinary, anomalous).value
    assert value == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-14)
    n, m = len(ordinary), len(anomalous)
    assert value == pytest.approx(stats.mannwhitneyu(anomalous, ordinary).statistic / (n * m), abs=1e-14)


def test_area_of_normals_is_known_and_its_error_true(seed):
    """For N(0, 1) against N(d, 1) the area is Φ(d/√2); the stated error is the scatter of repeated draws."""
    rng, d, repeats = np.random.default_rng((seed, 3)), 1.0, 300
    found = [roc.area(rng.normal(0, 1, 80), rng.normal(d, 1, 40)) for _ in range(repeats)]
    values, errors = np.array(found).T
    scatter = values.std(ddof=1)
    assert abs(values.mean() - stats.norm.cdf(d / np.sqrt(2))) < 4 * scatter / np.sqrt(repeats)
    assert abs(np.sqrt(np.mean(errors**2)) / scatter - 1) < 5 / np.sqrt(2 * repeats)
    # the control: without the √2
    assert abs(values.mean() - stats.norm.cdf(d)) > 4 * scatter / np.sqrt(repeats)


@BOTH
def test_extremes(package):
    area = package.validation.roc.area
    low, high = np.arange(5.0), np.arange(5.0, 9.0)
    assert area(low, high) == (1.0, 0.0) and area(high, low) == (0.0, 0.0)
    assert area(low, np.full(3, np.inf)).value == 1 and area(low, low).value == 0.5
    assert area(np.ones(6), np.ones(4)) == (0.5, 0.0)
    value, error = area(low, [2.0])
    assert value == 0.5 and np.isnan(error)
    assert all(type(number) is float for number in area(low, high))


@BOTH
@pytest.mark.parametrize(("ordinary", "anomalous", "message"), [
    ([], [1.0], "ordinary: number of scores: expected a whole number of at least 1, got 0"),
    ([1.0], [], "anomalous: number of scores"),
    ([1.0, np.nan], [1.0], "ordinary: expected scores, got NaN in 1 of 2"),
    ([1.0], [[1.0]], r"anomalous: expected shape \(N,\)"),
    ([1.0], [True], "anomalous: expected real numbers"),
])
def test_bad_input_is_named(package, ordinary, anomalous, message):
    for function in (package.validation.roc.area, package.validation.roc.curve):
        with pytest.raises(ValueError, match=message):
            function(ordinary, anomalous)
