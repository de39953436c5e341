"""Likelihoods: SciPy's densities, hand-worked logits at the edge of what a float holds, and moments of the
draws."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])


def log_prob(package, kind, x, f, a):
    """(N,)."""
    return getattr(package.generative.likelihoods, kind).log_prob(x, f, a)


@BOTH
@pytest.mark.parametrize("kind", ["GAUSSIAN", "FIXED_GAUSSIAN"])
def test_gaussian_is_scipys(package, kind):
    rng = np.random.default_rng(0)
    x, f = rng.standard_normal((6, 4)), 3 * rng.standard_normal((6, 4))
    a = np.array([package.generative.likelihoods.unbounded(2 * np.log(0.7))])
    expected = [stats.multivariate_normal.logpdf(row, mean, 0.7**2 * np.eye(4))
                for row, mean in zip(x, f, strict=True)]
    assert np.abs(log_prob(package, kind, x, f, a) - expected).max() < 1e-12


@BOTH
def test_bernoulli_is_scipys(package):
    rng = np.random.default_rng(1)
    x, f = (rng.random((6, 4)) < 0.4).astype(float), 2 * rng.standard_normal((6, 4))
    expected = stats.bernoulli.logpmf(x, 1 / (1 + np.exp(-f))).sum(axis=1)
    assert np.abs(log_prob(package, "BERNOULLI", x, f, None) - expected).max() < 1e-12


@BOTH
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_bernoulli_at_extreme_logits(package, dtype):
    """−log 2 at f = 0; nothing lost where a huge logit is right; the logit itself where it is wrong; half of
    it where x is ½."""
    x = np.array([[1], [0], [1], [0], [0], [1], [0.5]], dtype)
    f = np.array([[0], [0], [1e30], [-1e30], [800], [-1e30], [1e4]], dtype)
    expected = np.array([-np.log(2), -np.log(2), 0, 0, -800, -1e30, -5e3])
    found = log_prob(package, "BERNOULLI", x, f, None)
    assert found.dtype == dtype and np.all(np.abs(found - expected) <= 1e-6 * np.abs(expected))
    mean = package.generative.likelihoods.BERNOULLI.mean(f)
    assert mean.dtype == dtype and np.array_equal(mean[:6, 0], [0.5, 0.5, 1, 0, 1, 0])


@BOTH
def test_a_small_probability_keeps_its_digits(package):
    mean = package.generative.likelihoods.BERNOULLI.mean(np.array([[-30.0], [-700.0]]))
    assert np.abs(mean[:, 0] / np.exp([-30.0, -700.0]) - 1).max() < 1e-12


@pytest.mark.parametrize("kind", ["GAUSSIAN", "BERNOULLI"])
def test_what_is_left_in_place_is_the_slope(kind):
    """Accel's columns turn f into −σ² ∂ log p/∂f: a central difference of the reference's log-density says
    the same."""
    rng = np.random.default_rng(2)
    x, f, a = rng.random((3, 2)), rng.standard_normal((3, 2)), np.array([-1.1])
    likelihoods, residual = accel.generative.likelihoods, f.T.copy()
    value = likelihoods.log_prob_columns(getattr(likelihoods, kind), x.T, residual, a)
    assert np.array_equal(value, log_prob(accel, kind, x, f, a))
    variance = np.exp(16 * np.tanh(-1.1 / 16)) if kind == "GAUSSIAN" else 1.0
    for i in range(3):
        for j in range(2):
            step = np.zeros((3, 2))
            step[i, j] = 1e-6
            up, down = (log_prob(reference, kind, x, f + sign * step, a)[i] for sign in (1, -1))
            assert abs(residual[j, i] + variance * (up - down) / 2e-6) < 1e-8


@BOTH
def test_draws_have_the_moments_of_the_density(package, seed):
    """Five standard errors; and the mean of the other row must fail the same test."""
    kinds, f, n, rng = (package.generative.likelihoods, np.array([[-1.0, 2.0]]), 40_000,
                        np.random.default_rng(seed))
    a = np.array([kinds.unbounded(2 * np.log(0.3))])
    drawn = {"GAUSSIAN": (f[0], np.array([0.3, 0.3])), "BERNOULLI": (1 / (1 + np.exp(-f[0])), None)}
    for kind, (mean, std) in drawn.items():
        x = getattr(kinds, kind).draw(rng, np.repeat(f, n, axis=0), a)
        std = np.sqrt(mean * (1 - mean)) if std is None else std
        assert np.all(np.abs(x.mean(axis=0) - mean) < 5 * std / np.sqrt(n))
        assert np.all(np.abs(x.mean(axis=0) - mean[::-1]) > 5 * std / np.sqrt(n))
        assert np.all(np.abs(x.std(axis=0) / std - 1) < 5 / np.sqrt(n))
    assert set(np.unique(x)) == {0.0, 1.0}


@BOTH
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_bounded_log_variance_neither_overflows_nor_moves_near_zero(package, dtype):
    kinds, a = package.generative.likelihoods, np.array([-1e30, -1.0, 0.0, 0.5, 1e30], dtype)
    log_var = kinds.bounded(a)
    assert (log_var.dtype == dtype and np.isfinite(np.exp(log_var)).all()
            and np.isfinite(np.exp(-log_var)).all())
    assert np.abs(log_var[1:4] - a[1:4]).max() < 2e-3 and np.array_equal(log_var[[0, 4]], [-16, 16])
    inside = np.array([-15.0, -2.0, 7.0, 15.9])
    assert np.abs(kinds.bounded(kinds.unbounded(inside)) - inside).max() < 1e-12
