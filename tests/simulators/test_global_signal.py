"""The trough by hand, and the exact posterior against importance sampling with the likelihood written out."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.simulators import global_signal

BOTH = pytest.mark.parametrize("package", [reference, accel])
TRUTHS = {"deep": [0.24, 15.0, 7.0], "wide": [0.155, 13.0, 9.0],
          "faint": [0.02, 18.0, 5.5],
          "corner": [0.29, 19.8, 9.9]}
EACH = pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)


def observe(truth, seed=0):
    return global_signal.simulate(np.random.default_rng(seed), np.array([truth]))[0]


def log_likelihood(theta, x):
    """The formula of the trough and a normal for every bin, by SciPy."""
    z = np.linspace(5, 30, 100)
    mean = -theta[:, :1] * np.exp(-0.5 * (z - theta[:, 1:2])**2 / theta[:, 2:]**2)
    return stats.norm.logpdf(x, mean, 0.025).sum(axis=1)


@pytest.fixture(scope="module")
def weighted():
    """For each truth: draws of a wide Student t inside the prior, posterior weights, the log-evidence."""
    found = {}
    for name, truth in TRUTHS.items():
        rng, x = np.random.default_rng(9), observe(truth)
        pilot = global_signal.exact_posterior_sample(rng, 4000, x)
        proposal = stats.multivariate_t(pilot.mean(axis=0), 2.5 * np.cov(pilot.T), df=5, seed=rng)
        theta = proposal.rvs(120_000)
        inside = np.all((theta > [0.01, 10, 5]) & (theta < [0.3, 20, 10]), axis=1)
        theta, n = theta[inside], len(theta)
        log_weight = log_likelihood(theta, x) - proposal.logpdf(theta)
        weight = np.exp(log_weight - log_weight.max())
        found[name] = theta, weight / weight.sum(), log_weight.max() + np.log(weight.sum() / n)
    return found


def test_signal_by_hand():
    signal = global_signal.signal([[0.2, 15.0, 5.0]])[0]
    z = np.linspace(5, 30, 100)
    assert signal.shape == (100,) and z[0] == 5 and z[-1] == 30
    np.testing.assert_allclose(signal[0], -0.2 * np.exp(-2), rtol=1e-13)         # two widths below the centre
    assert signal.min() == pytest.approx(-0.2, abs=0.2 * 0.5 * (0.13 / 5)**2)


@BOTH
def test_gradient_is_that_of_central_differences(package):
    rng, h = np.random.default_rng(8), 1e-4
    theta, dm = global_signal.prior.sample(rng, 20), rng.standard_normal((20, 100))
    gradient = package.simulators.global_signal.signal_vjp(theta, dm)
    for k, scale in enumerate((0.1, 1.0, 1.0)):
        step = h * scale * np.eye(3)[k]
        slope = (global_signal.signal(theta + step) - global_signal.signal(theta - step)) / (2 * h * scale)
        np.testing.assert_allclose(gradient[:, k], np.sum(dm * slope, axis=1), atol=1e-8)


def test_noise_is_25_millikelvin_in_every_bin():
    theta = np.tile([[0.1, 12.0, 8.0]], (2000, 1))
    deviation = global_signal.simulate(np.random.default_rng(1), theta) - global_signal.signal(theta)
    assert stats.kstest(deviation.ravel(), stats.norm(0, 0.025).cdf).pvalue > 1e-3
    assert np.abs(deviation.std(axis=0) / 0.025 - 1).max() < 5 / np.sqrt(4000)


def test_likelihood_is_scipys():
    theta, x = global_signal.prior.sample(np.random.default_rng(2), 30), observe([0.2, 12, 8])
    np.testing.assert_allclose(global_signal.log_likelihood(theta, x), log_likelihood(theta, x), rtol=1e-11)


@pytest.mark.parametrize("name", TRUTHS)
def test_posterior_agrees_with_importance_sampling(weighted, name):
    (theta, weight, log_evidence), x = weighted[name], observe(TRUTHS[name])
    n_effective, n = 1 / np.sum(weight**2), 20_000
    assert n_effective > 5000
    draws = global_signal.exact_posterior_sample(np.random.default_rng(3), n, x)
    assert global_signal.prior.contains(draws).all()
    features = [lambda t: t[:, 0], lambda t: t[:, 1], lambda t: t[:, 2], lambda t: t[:, 1] * t[:, 2],
                lambda t: t[:, 0] * t[:, 2]]
    for k, feature in enumerate(features):
        for power in (1, 2):
            mean = weight @ feature(theta)
            values, ours = (feature(theta) - mean)**power, (feature(draws) - mean)**power
            centre = weight @ values
            error = np.sqrt(weight @ (values - centre)**2 * (1 / n_effective + 1 / n))
            gap = abs(ours.mean() - centre) / error
            assert gap < 5, f"feature {k}, moment {power}: {gap:.1f} standard errors"
    inner = theta[:5]
    np.testing.assert_allclose(global_signal.exact_posterior_log_prob(inner, x),
                               log_likelihood(inner, x) - log_evidence,
                               atol=5 / np.sqrt(n_effective) + 1e-3)


@EACH
def test_log_prob_and_samples_belong_together(truth):
    """E_q[f/q] = 1 for any normalised f inside the support of q: here f is uniform around the median."""
    x = observe(truth, seed=4)
    draws = global_signal.exact_posterior_sample(np.random.default_rng(5), 20_000, x)
    middle, spread = np.median(draws, axis=0), 0.4 * draws.std(axis=0)
    box = np.clip([middle - 2 * spread, middle + 2 * spread], global_signal.prior.low,
                  global_signal.prior.high)
    inside = np.all((draws > box[0]) & (draws < box[1]), axis=1)
    ratio = np.where(inside, np.exp(-global_signal.exact_posterior_log_prob(draws, x))
                     / np.prod(box[1] - box[0]), 0.0)
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / np.sqrt(20_000)


def test_density_is_nothing_outside_the_prior():
    outside = [[0.31, 15, 7], [0.2, 9.9, 7], [0.2, 15, 10.1], [0.3, 15, 7]]
    assert (global_signal.exact_posterior_log_prob(outside, observe([0.24, 15, 7])) == -np.inf).all()


@pytest.mark.parametrize("noise", [1e-2, 1e-4, 1e-7])
def test_any_noise_is_resolved(noise):
    """With little noise the posterior is normal; its covariance is the inverse of Fisher's information."""
    truth, step = np.array([0.2, 14.0, 6.5]), 1e-5
    slopes = np.array([(global_signal.signal(truth[None] + step * e)
                        - global_signal.signal(truth[None] - step * e))[0] / (2 * step)
                       for e in np.eye(3)])
    expected = np.sqrt(np.diag(np.linalg.inv(slopes @ slopes.T))) * noise
    draws = global_signal.exact_posterior_sample(np.random.default_rng(6), 20_000,
                                                 global_signal.signal(truth[None])[0], noise=noise)
    slack = 0.02 if noise > 1e-3 else 0.0                                                     # not yet normal
    np.testing.assert_allclose(draws.std(axis=0) / expected, 1, atol=5 / np.sqrt(40_000) + slack)
    np.testing.assert_allclose((draws.mean(axis=0) - truth) / expected, 0,
                               atol=5 / np.sqrt(20_000) + 5 * slack)


@BOTH
@pytest.mark.parametrize(("call", "message"), [
    (lambda m, rng: m.simulate(rng, [[0.1, 12.0]]), r"theta: expected shape \(N, 3\)"),
    (lambda m, rng: m.simulate(rng, [[0.1, 12.0, 7.0]], noise=np.nan), "noise: expected a positive"),
    (lambda m, rng: m.exact_posterior_sample(rng, 5, np.zeros(99)), r"x: expected shape \(100,\)"),
    (lambda m, rng: m.exact_posterior_sample(rng, 5, np.full(100, np.nan)), "x: expected finite"),
    (lambda m, rng: m.exact_posterior_sample(rng, 5, np.full(100, -240.0)),
     "x: expected a signal in kelvin that the prior can explain"),
    (lambda m, rng: m.exact_posterior_sample(rng, 0, np.zeros(100)), "n: expected a whole number"),
    (lambda m, rng: m.exact_posterior_sample(rng, 5, np.zeros(100), noise=0), "noise: expected a positive"),
])
def test_bad_input_is_named(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.simulators.global_signal, np.random.default_rng(0))
