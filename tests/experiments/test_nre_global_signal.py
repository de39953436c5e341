"""What the ratio experiment judges with: a classifier's best accuracy in closed form, odds counted by hand,
and its figure."""
import numpy as np
import pytest
from scipy import stats

from experiments import nre_global_signal
from experiments.harness import framework


def test_best_accuracy_is_that_of_shifted_normals():
    """N(0, 1) against N(δ, 1): the best classifier is right with probability Φ(δ/2)."""
    p = np.random.default_rng(0).standard_normal(400_000)
    for delta in (0.0, 0.5, 2.0):
        found = nre_global_signal._best_accuracy(stats.norm.logpdf(p, delta) - stats.norm.logpdf(p))
        assert found == pytest.approx(stats.norm.cdf(delta / 2), abs=0.002)


def test_odds_are_counted_by_hand():
    matched = np.repeat([0.7, 0.6, 3.0, -2.0], [50, 50, 4, 9])
    mismatched = np.repeat([0.6, 3.0, 2.9], [20, 30, 60])
    claimed, found, error = nre_global_signal._odds(matched, mismatched)         # too few at 3 and at −2
    share = (50 / (1 + np.exp(-0.7)) + 70 / (1 + np.exp(-0.6))) / 120
    assert claimed == pytest.approx([np.log(share / (1 - share))])
    assert found == pytest.approx([np.log(5)]) and error == pytest.approx([np.sqrt(0.01 + 0.05)])


def test_honest_odds_hold_and_doubled_ones_do_not():
    rng = np.random.default_rng(1)
    u = rng.standard_normal(200_000)
    x = u + 0.4 * rng.standard_normal(len(u))

    def log_r(theta):
        return stats.norm.logpdf(theta, x / 1.16, np.sqrt(0.16 / 1.16)) - stats.norm.logpdf(theta)
    worst = []
    for scale in (1, 2):
        claimed, found, error = nre_global_signal._odds(scale * log_r(u), scale * log_r(np.roll(u, 1)))
        worst.append(np.max(np.abs(claimed - found) / error))
    assert worst[0] < 4 < 20 < worst[1]


def test_quick_run(tmp_path):
    record = framework.execute("nre_global_signal", framework.settings(where="cpu", quick=True, out=tmp_path))
    assert record["metrics"]["samples outside the prior"]["value"] == 0
    assert (tmp_path / "nre_global_signal.png").exists()
