"""Hand-worked chains, autoregressive chains whose effective sample size is known, and how often R̂ is wrong
either way."""
from statistics import NormalDist

import numpy as np
import pytest

import accel
import reference
from reference.validation import convergence

BOTH = pytest.mark.parametrize("package", [reference, accel])


def autoregressive(rng, phi, chains, n):
    """x_i = φ x_{i−1} + √(1 − φ²) ε_i, standard normal at every step; one parameter for each φ."""
    phi = np.asarray(phi)
    x = rng.standard_normal((chains, n, len(phi)))
    for i in range(1, n):
        x[:, i] = phi * x[:, i - 1] + np.sqrt(1 - phi**2) * x[:, i]
    return x


# R̂

@BOTH
def test_r_hat_of_four_draws_by_hand(package):
    """Ranks 1, 2 | 4, 3: scores −a, −b | a, b, so that R̂² = ½ + (a + b)²/(a − b)²; the distances from the
    median tell nothing."""
    a, b = NormalDist().inv_cdf(1 - 0.625 / 4.25), NormalDist().inv_cdf(1 - 1.625 / 4.25)
    expected = np.sqrt(0.5 + ((a + b) / (a - b))**2)
    assert expected == pytest.approx(1.93, abs=0.01)
    chains = np.array([[1.0, 2.0, 4.0, 3.0]])[:, :, None]
    np.testing.assert_allclose(package.validation.convergence.r_hat(chains), [expected], rtol=1e-12)
    np.testing.assert_allclose(package.validation.convergence.r_hat(np.exp(7 * chains)), [expected],
                               rtol=1e-12)


@BOTH
def test_r_hat_sees_spread_by_hand(package):
    """Halves −1, 1 | −9, 9: places agree, R̂² = ½, but distances from the median 0 have ranks 1½, 1½ | 3½,
    3½: no variance within."""
    chains = np.array([[-1.0, 1.0, -9.0, 9.0]])[:, :, None]
    assert package.validation.convergence.r_hat(chains) == np.inf


def test_ranks_are_scipys_ties_averaged():
    from scipy import stats
    values = np.round(np.random.default_rng(0).standard_normal((6, 20, 2)), 1)
    for d in range(2):
        expected = stats.norm.ppf((stats.rankdata(values[:, :, d]).reshape(6, 20) - 0.375) / 120.25)
        np.testing.assert_allclose(convergence.normal_scores(values)[:, :, d], expected, atol=1e-13)


def test_plain_r_hat_by_hand():
    """Halves (1, 2, 3) and (2, 5, 8): s² = 1 and 9, W = 5; means 2 and 5, variance 9/2; v = ⅔·5 + 9/2 =
    47/6."""
    halves = np.array([[1.0, 2.0, 3.0], [2.0, 5.0, 8.0]])[:, :, None]
    np.testing.assert_allclose(convergence.plain_r_hat(halves), [np.sqrt(47 / 30)], rtol=1e-14)


@BOTH
def test_the_middle_draw_of_an_odd_chain_is_left_out(package):
    r_hat = package.validation.convergence.r_hat
    np.testing.assert_array_equal(r_hat(np.array([[1.0, 2, 77, 4, 3]])[:, :, None]),
                                  r_hat(np.array([[1.0, 2, 4, 3]])[:, :, None]))


@BOTH
def test_chains_that_never_move_are_not_called_converged(package):
    module = package.validation.convergence
    apart = np.ones((4, 50, 1)) * np.arange(4)[:, None, None]
    assert module.r_hat(apart) == np.inf
    assert np.isnan(module.r_hat(np.ones((4, 50, 1)))).all()
    assert np.isnan(module.effective_sample_size(np.ones((4, 50, 1)))).all()


def alarms(change, runs=100):
    """The share of runs of four independent chains of 1,000 draws, changed, that have r_hat > 1.01."""
    rng = np.random.default_rng(2)
    return np.mean([accel.validation.convergence.r_hat(change(rng.standard_normal((4, 1000, 1))))[0] > 1.01
                    for _ in range(runs)])


def of_first(change):
    def changed(chains):
        chains[0] = change(chains[0])
        return chains
    return changed


def test_false_alarms_are_rare():
    assert alarms(lambda chains: chains) <= 0.01
    assert alarms(np.tan) <= 0.01                                     # no moments, and none needed


@pytest.mark.parametrize(("what", "change"), [
    ("half a standard deviation off", lambda x: x + 0.5), ("1.5 times as wide", lambda x: 1.5 * x),
    ("drifting", lambda x: x + np.linspace(-1, 1, 1000)[:, None]),
    ("stuck for its second half", lambda x: np.where(np.arange(1000)[:, None] < 500, x, x[0]))])
def test_power(what, change):
    assert alarms(of_first(change), runs=50) >= 0.98, what


# effective sample size

@BOTH
def test_effective_sample_size_by_hand(package):
    """0, 1, 3, 4 twice: γ = 5/2, ¾, −1, −1; W = 10/3, v = 5/2; ρ = 1, 1/15, −13/15, −13/15; P₀ = 16/15, P₁ <
    0; τ = 17/15."""
    chains = np.array([[0.0, 1, 3, 4, 0, 1, 3, 4]])[:, :, None]
    np.testing.assert_allclose(package.validation.convergence.effective_sample_size(chains), [8 * 15 / 17],
                               rtol=1e-12)


@BOTH
def test_correlation_time_by_hand(package):
    """Pairs 0.6, 0.8, 0.3, −0.3, 1.8: the second is lowered to 0.6, the fourth ends the sum; τ = −1 + 2 · 1.5
    = 2."""
    rho = np.array([[1.0, -0.4, 0.5, 0.3, 0.2, 0.1, -0.5, 0.2, 0.9, 0.9, 5.0]]).T
    np.testing.assert_allclose(package.validation.convergence.correlation_time(rho), [2.0], rtol=1e-14)


def test_autocovariance_is_the_sum_over_products():
    x = np.random.default_rng(1).standard_normal((2, 9, 2)) + 5
    centred = x - x.mean(axis=1, keepdims=True)
    expected = np.stack([np.sum(centred[:, :9 - t] * centred[:, t:], axis=1) / 9 for t in range(9)], axis=1)
    np.testing.assert_allclose(convergence.autocovariance(x), expected, atol=1e-13)


def test_autoregressive_chains_are_worth_what_theory_says(seed):
    """For x = φ x′ + noise the mean of N draws varies as that of N (1 − φ)/(1 + φ) independent ones."""
    rng, phi, runs = np.random.default_rng(seed), np.array([0.0, 0.5, 0.9, -0.5]), 20
    found = np.array([accel.validation.convergence.effective_sample_size(autoregressive(rng, phi, 8, 2000))
                      for _ in range(runs)]) / 16_000
    expected = (1 - phi) / (1 + phi)
    # Geyer's cut: 1 % of bias
    z = (found.mean(axis=0) / expected - 1) / (found.std(axis=0, ddof=1) / expected / np.sqrt(runs) + 0.01)
    assert np.abs(z).max() < 4, z
    control = (found.mean(axis=0) / (expected * 1.4) - 1) / (found.std(axis=0, ddof=1) / expected
                                                             / np.sqrt(runs) + 0.01)
    assert np.abs(control).min() > 4, control


def test_chains_that_disagree_are_worth_little():
    chains = np.random.default_rng(3).standard_normal((4, 1000, 2))
    chains[0, :, 1] += 5.0
    ours, apart = convergence.effective_sample_size(chains)
    assert ours > 3000 and apart < 20


def test_antithetic_chains_are_not_worth_infinitely_much():
    chains = np.tile([1.0, -1.0], 500)[None, :, None] * np.array([1.0, 1.1])[:, None, None]
    assert convergence.effective_sample_size(chains) <= 2000 * np.log10(2000) + 1e-9


@BOTH
@pytest.mark.parametrize(("chains", "message"), [
    (np.zeros((2, 3, 1)), "chains: number of draws: expected a whole number of at least 4, got 3"),
    (np.zeros((2, 30)), r"chains: expected shape \(C, n, D\), got \(2, 30\)"),
    (np.full((2, 8, 1), np.inf), "chains: expected finite numbers"),
])
def test_bad_input_is_named(package, chains, message):
    for function in (package.validation.convergence.r_hat,
                     package.validation.convergence.effective_sample_size):
        with pytest.raises(ValueError, match=message):
            function(chains)
