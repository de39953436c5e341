"""Importance resampling: effective sizes in closed form, draws repeated as seldom as their weights allow, and
a warning in time."""
import warnings

import numpy as np
import pytest
from scipy import stats

import accel
import reference

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def normals(n, seed, mean=1.0, std=0.5):
    """Draws of N(0, 1), weighted to be draws of N(mean, std)."""
    theta = np.random.default_rng(seed).standard_normal((n, 1))
    return theta, stats.norm.logpdf(theta[:, 0], mean, std) - stats.norm.logpdf(theta[:, 0])


@BOTH
def test_weights_are_judged_as_the_closed_form_says(package, seed):
    """For N(m, s²) from N(0, 1), E w² = exp(m²/(2 − s²))/(s √(2 − s²)), and E w = 1."""
    n = 200_000
    found = package.inference.importance.weigh(*normals(n, seed))
    second = np.exp(1 / 1.75) / (0.5 * np.sqrt(1.75))
    assert found.effective_size == pytest.approx(n / second, rel=0.02)
    assert abs(found.log_mean_weight) < 4 * np.sqrt(second / n)
    unnormalised = package.inference.importance.weigh(found.theta, found.log_weight + 700)
    assert unnormalised.effective_size == pytest.approx(found.effective_size)
    assert unnormalised.log_mean_weight == pytest.approx(found.log_mean_weight + 700)


@BOTH
def test_draws_follow_the_target_in_no_order(package, seed):
    theta, log_weight = normals(100_000, seed)
    order = np.argsort(theta[:, 0])                         # candidates sorted: an order that means something
    importance = package.inference.importance
    drawn = importance.resample(np.random.default_rng(seed + 1), 5000,
                                importance.weigh(theta[order], log_weight[order]))[:, 0]
    assert stats.kstest(drawn, stats.norm(1.0, 0.5).cdf).pvalue > 0.001
    assert abs(np.corrcoef(drawn, np.arange(5000))[0, 1]) < 4 / np.sqrt(5000)
    # the candidates themselves do not
    assert stats.kstest(theta[:5000, 0], stats.norm(1.0, 0.5).cdf).pvalue < 1e-9


@BOTH
def test_every_draw_is_taken_as_often_as_its_weight_says_but_for_one(package):
    theta, log_weight = np.arange(50.0)[:, None], np.random.default_rng(0).standard_normal(50)
    importance = package.inference.importance
    with pytest.warns(
            UserWarning,
            match="n: expected at most the effective size of the candidates, .* got 300: draws are repeated"):
        drawn = importance.resample(np.random.default_rng(1), 300, importance.weigh(theta, log_weight))
    share = 300 * np.exp(log_weight) / np.exp(log_weight).sum()
    times = np.bincount(drawn[:, 0].astype(int), minlength=50)
    assert (np.abs(times - share) < 1).all() and times.sum() == 300


@BOTH
def test_no_warning_where_the_candidates_suffice(package):
    importance = package.inference.importance
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importance.resample(np.random.default_rng(1), 100, importance.weigh(*normals(2000, 0)))
