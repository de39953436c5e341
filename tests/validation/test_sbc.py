import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.validation import sbc
from tests.agreement.comparator import assert_close
from tests.support.gaussian_posterior import false_alarm_band, observe


def test_rank_is_the_place_of_the_truth_in_the_sorted_samples():
    rng = np.random.default_rng(0)
    samples, truths = rng.standard_normal((50, 9, 2)), rng.standard_normal((50, 2))
    expected = [[np.searchsorted(np.sort(samples[m, :, d]), truths[m, d]) for d in range(2)]
                for m in range(50)]
    assert np.array_equal(sbc.ranks(rng, samples, truths), expected)


def test_ties_are_broken_evenly(seed):
    """A truth equal to two of three samples, the third above it: ranks 0, 1 and 2, a third each."""
    samples = np.broadcast_to(np.array([1.0, 1.0, 2.0])[:, None], (3000, 3, 1))
    ranks = sbc.ranks(np.random.default_rng((seed, 1)), samples, np.ones((3000, 1)))
    counts = np.bincount(ranks[:, 0], minlength=4)
    assert counts[3] == 0 and np.abs(counts[:3] - 1000).max() < 5 * np.sqrt(3000 * 2 / 9)


def test_ranks_of_an_exact_posterior_are_uniform_and_those_of_a_wrong_one_are_not(seed):
    def p_value(width):
        rng = np.random.default_rng((seed, 2))
        seen = observe(rng, 10_000, 7, 1, width=width)
        return stats.chisquare(np.bincount(sbc.ranks(rng, seen.samples, seen.truths)[:, 0],
                                           minlength=8)).pvalue
    assert p_value(1.0) > 0.001 > p_value(0.9)


def test_histogram_counts_ranks_in_bins_of_equal_share():
    ranks = np.array([[0], [1], [2], [3], [4], [5], [5], [6]])
    found = sbc.histogram(ranks, 6, n_bins=3)                       # seven ranks: {0, 1, 2}, {3, 4}, {5, 6}
    assert found.counts[:, 0].tolist() == [3, 2, 3]
    shares = np.array([3, 2, 2]) / 7
    assert np.array_equal(found.lower, stats.binom.interval(0.99, 8, shares)[0])
    assert np.array_equal(found.upper, stats.binom.interval(0.99, 8, shares)[1])


def test_each_bin_lies_within_the_band_with_its_probability(seed):
    ranks = np.random.default_rng((seed, 3)).integers(0, 100, size=(400, 500))
    found = sbc.histogram(ranks, 99, n_bins=10, level=0.9)
    inside = np.mean((found.counts >= found.lower[:, None]) & (found.counts <= found.upper[:, None]))
    exact = stats.binom.cdf(found.upper[0], 400, 0.1) - stats.binom.cdf(found.lower[0] - 1, 400, 0.1)
    assert 0.9 <= exact < 0.93 and abs(inside - exact) < 5 * np.sqrt(exact * (1 - exact) / 5000)


@pytest.mark.parametrize(("n_samples", "n_bins"), ((99, 10), (100, 7), (40, 41)))
def test_p_value_is_scipys_chi_square_test(n_samples, n_bins):
    rng = np.random.default_rng(4)
    ranks = np.minimum(rng.integers(0, n_samples + 1, size=(700, 2)),
                       rng.integers(0, 2 * n_samples, size=(700, 2)))
    edges = np.ceil(np.arange(n_bins + 1) * (n_samples + 1) / n_bins)          # the first rank of each bin
    for d in range(2):
        counts, expected = np.histogram(ranks[:, d], edges - 0.5)[0], 700 * np.diff(edges) / (n_samples + 1)
        assert_close(sbc.p_values(ranks, n_samples, n_bins=n_bins)[d],
                     stats.chisquare(counts, expected).pvalue, terms=700)


@pytest.mark.parametrize(("m", "n_bins"), ((50, 10), (500, 20)))
def test_false_alarms_down_to_five_expected_in_a_bin(m, n_bins, seed):
    p = np.array(sbc.p_values(np.random.default_rng((seed, 5)).integers(0, 100, size=(m, 2000)), 99,
                              n_bins=n_bins))
    low, high = false_alarm_band(len(p), 0.05)
    assert low <= (p < 0.05).sum() <= high


RANKS = np.arange(60).reshape(30, 2) % 10


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
@pytest.mark.parametrize(("call", "message"), (
    (lambda r: r.ranks(np.random.default_rng(0), np.zeros((3, 5, 2)), np.zeros((2, 2))),
     r"truths: expected shape \(3, 2\), got \(2, 2\)"),
    (lambda r: r.ranks(np.random.default_rng(0), np.full((3, 5, 2), np.nan), np.zeros((3, 2))),
     "samples: expected finite numbers"),
    (lambda r: r.histogram(RANKS, 8),
     r"n_bins: expected at most n_samples \+ 1 = 9, the number of ranks, got 20"),
    (lambda r: r.histogram(RANKS, 8, n_bins=3),
     "ranks: expected numbers from 0 to n_samples = 8, got some from 0 to 9"),
    (lambda r: r.histogram(RANKS - 1, 9, n_bins=2),
     "ranks: expected numbers from 0 to n_samples = 9, got some from -1"),
    (lambda r: r.histogram(RANKS / 2, 9, n_bins=2), "ranks: expected whole numbers, got dtype float64"),
    (lambda r: r.histogram(RANKS[:, 0], 9, n_bins=2), r"ranks: expected shape \(M, D\), got \(30,\)"),
    (lambda r: r.histogram(RANKS[:0], 9, n_bins=2), "ranks: number of entries: expected a whole number"),
    (lambda r: r.histogram(RANKS, 9, n_bins=1), "n_bins: expected a whole number of at least 2, got 1"),
    (lambda r: r.histogram(RANKS, 9, n_bins=2, level=1), "level: expected a probability"),
    (lambda r: r.p_values(RANKS, 9, n_bins=10), "ranks: expected at least 5 to fall into each bin, got 3"),
))
def test_bad_input_is_refused(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.validation.sbc)
