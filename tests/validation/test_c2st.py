import sys

import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.validation import c2st


def two_gaussians(seed, n, dim, *, shift=0.0):
    """n samples each of N(0, I) and N(δ, I), ‖δ‖ = shift, stretched and moved alike."""
    rng = np.random.default_rng((seed, n, dim))
    exact, samples = rng.standard_normal((2, n, dim))
    return 3 * exact - 5, 3 * (samples + shift / np.sqrt(dim)) - 5


def test_two_samples_of_one_gaussian_are_told_apart_by_chance_alone(seed):
    assert abs(c2st.accuracy(*two_gaussians(seed, 500, 2)) - 0.5) < 4 * 0.5 / np.sqrt(1000)


def test_two_gaussians_are_told_apart_as_often_as_is_possible(seed):
    """No classifier does better than Φ(Δ/2); this one comes within a few per cent of it, from 500 samples."""
    best = stats.norm.cdf(1.0)
    found = c2st.accuracy(*two_gaussians(seed, 500, 2, shift=2.0))
    error = np.sqrt(best * (1 - best) / 1000)
    assert best - 4 * error - 0.02 < found < best + 4 * error


def test_far_samples_are_told_apart_always(seed):
    assert c2st.accuracy(*two_gaussians(seed, 100, 1, shift=40.0)) == 1.0


def test_both_sides_are_scaled_by_the_exact_samples(seed):
    """A factor of a power of two is exact in floating point: the number cannot change. Without (1) it
    would."""
    exact, samples = two_gaussians(seed, 150, 2, shift=1.0)
    assert c2st.accuracy(4 * exact, 4 * samples) == c2st.accuracy(exact, samples)
    z, target = c2st.prepare(exact, samples, 5)
    assert np.allclose(stats.describe(z[target == 0]).mean, 0, atol=1e-12)
    assert np.allclose(stats.describe(z[target == 0]).variance, 1, rtol=1e-12)
    assert np.allclose(z[target == 1] * exact.std(axis=0, ddof=1) + exact.mean(axis=0), samples)


def test_folds_in_parallel_give_the_same_number(seed):
    pair = two_gaussians(seed, 200, 2, shift=0.5)
    assert c2st.accuracy(*pair, n_folds=2) == accel.validation.c2st.accuracy(*pair, n_folds=2, n_jobs=2)


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
def test_missing_scikit_learn_is_named(package, monkeypatch):
    for name in ("sklearn", "sklearn.model_selection", "sklearn.neural_network"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"c2st needs scikit-learn.*pip install 'diptych\[experiments\]'"):
        package.validation.c2st.accuracy(*two_gaussians(0, 20, 2))


EXACT = np.random.default_rng(0).standard_normal((20, 2))


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
@pytest.mark.parametrize(("exact", "samples", "settings", "message"), (
    (EXACT, EXACT[:, :1], {}, r"samples: expected shape \(20, 2\), got \(20, 1\)"),
    (EXACT, EXACT[:9], {}, r"samples: expected shape \(20, 2\), got \(9, 2\)"),
    (EXACT[0], EXACT[0], {}, r"exact: expected shape \(N, D\), got \(2,\)"),
    (EXACT * np.nan, EXACT, {}, "exact: expected finite numbers"),
    (EXACT, EXACT * np.nan, {}, "samples: expected finite numbers"),
    (EXACT[:4], EXACT[:4], {}, "exact: number of rows: expected a whole number of at least 5, got 4"),
    (EXACT * [1, 0], EXACT, {}, "exact: expected columns that vary, got a constant in column 1"),
    (EXACT, EXACT, {"n_folds": 1}, "n_folds: expected a whole number of at least 2, got 1"),
))
def test_bad_input_is_refused(package, exact, samples, settings, message):
    with pytest.raises(ValueError, match=message):
        package.validation.c2st.accuracy(exact, samples, **settings)
