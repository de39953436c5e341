"""Langevin dynamics against the closed form of its own bias, exact moments, and known mixture weights."""
import numpy as np
import pytest

import accel
import reference
from reference.density import gmm, mixture_score
from reference.generative import langevin

VARIANCES = np.array([0.5, 2.0])
RIDGES = gmm.GaussianMixture(np.array([0.8, 0.2]), np.array([[-4.0, 0.0], [4.0, 1.0]]),
                             np.array([[0.6, 1.0], [0.8, 0.5]]), gmm.DIAGONAL,
                             np.zeros(1), True)
LADDER = 8.0 * (0.3 / 8.0) ** (np.arange(12) / 11)


def normal_score(x, sigma):
    """Of N((1, −2), diag VARIANCES), smoothed."""
    return ([1.0, -2.0] - x) / (VARIANCES + sigma**2)


def ridges(x, sigma):
    return mixture_score.score(RIDGES, x, sigma)


def start(n, seed=0):
    return 3 * np.random.default_rng(seed).standard_normal((n, 2))


def spread_off(x, variances):
    """Standard errors between the sample variances of independent Gaussian rows and what they should be."""
    return np.abs(x.var(axis=0, ddof=1) / variances - 1) / np.sqrt(2 / (len(x) - 1))


@pytest.mark.parametrize("epsilon", [0.2, 1.0])
def test_unadjusted_ends_with_the_variance_of_its_autoregression(epsilon):
    """xₜ = (1 − ε/2v) xₜ₋₁ + √ε zₜ: an AR(1), whose stationary variance every textbook has as ε/(1 − φ²)."""
    phi = 1 - epsilon / (2 * VARIANCES)
    x = langevin.unadjusted(np.random.default_rng(1), normal_score, start(20_000), step_size=epsilon,
                            n_steps=150).x
    assert spread_off(x, epsilon / (1 - phi**2)).max() < 4
    assert spread_off(x, VARIANCES)[0] > 8, "the control: the lecture's exact sample is not one at this step"
    assert np.abs((x.mean(axis=0) - [1, -2]) / (x.std(axis=0) / np.sqrt(len(x)))).max() < 4


def test_annealed_finds_the_weights_across_a_gap_where_plain_langevin_does_not():
    n, first = 5000, 8.0 * np.random.default_rng(4).standard_normal((5000, 2))
    found = langevin.annealed(np.random.default_rng(5), ridges, first, sigmas=LADDER,
                              step_size=0.2 * LADDER[-1]**2, n_steps=100)
    plain = langevin.unadjusted(np.random.default_rng(5), ridges, first, step_size=0.1, n_steps=1200)
    assert abs((found.x[:, 0] < 0).mean() - 0.8) < 0.02
    assert abs((plain.x[:, 0] < 0).mean() - 0.8) > 0.2, "the control: the weights are those of the start"
    component = found.x[found.x[:, 0] > 0]
    assert np.abs(component.mean(axis=0) - [4.0, 1.0]).max() < 0.1
    assert np.abs(component.var(axis=0) / [0.89, 0.59] - 1).max() < 0.2
    assert len(component) > 0.15 * n


def test_denoising_step_is_the_mean_of_what_is_clean():
    """For a Gaussian E[clean | x] = m + v (x − m)/(v + σ²), by the rule for two Gaussians, not by a score."""
    settings = {"sigmas": (2.0, 0.7), "step_size": 0.1, "n_steps": 4}
    noisy = langevin.annealed(np.random.default_rng(6), normal_score, start(50), **settings).x
    clean = langevin.annealed(np.random.default_rng(6), normal_score, start(50), denoise=True, **settings).x
    m = np.array([1.0, -2.0])
    np.testing.assert_allclose(clean, m + VARIANCES / (VARIANCES + 0.49) * (noisy - m), rtol=1e-12)


def test_the_levels_have_the_steps_of_the_algorithm():
    """With no score each level is a random walk: its increments have the variance αᵢ = ε σᵢ²/σ_L²."""
    seen = []

    def flat(x, sigma):
        seen.append(sigma)
        return np.zeros_like(x)
    way = langevin.annealed(np.random.default_rng(7), flat, np.zeros((20_000, 1)), sigmas=(4.0, 2.0, 1.0),
                            step_size=0.3, n_steps=2,
                            every=1).trajectory
    steps = np.diff(np.concatenate((np.zeros((1, 20_000, 1)), way)), axis=0)
    assert seen == [4.0, 4.0, 2.0, 2.0, 1.0, 1.0]
    off = np.abs(steps.var(axis=(1, 2)) / np.array([4.8, 4.8, 1.2, 1.2, 0.3, 0.3]) - 1) / np.sqrt(2 / 20_000)
    assert off.max() < 4


@pytest.mark.parametrize("package", [reference, accel])
class TestBoth:
    def test_keeps_what_was_asked_for_and_leaves_the_start_alone(self, package):
        first = start(5)
        before = first.copy()
        found = package.generative.langevin.unadjusted(np.random.default_rng(0), normal_score, first,
                                                       step_size=0.1, n_steps=10, every=4)
        short = package.generative.langevin.unadjusted(np.random.default_rng(0), normal_score, first,
                                                       step_size=0.1, n_steps=8)
        assert found.trajectory.shape == (2, 5, 2) and short.trajectory is None
        assert np.array_equal(first, before)
        np.testing.assert_array_equal(found.trajectory[1], short.x)
        assert not np.array_equal(found.trajectory[1], found.x)

    def test_a_score_that_fails_stops_the_chains_and_says_where(self, package):
        def fails(x, sigma):
            s = normal_score(x, sigma)
            calls.append(sigma)
            return np.where((np.arange(len(x)) < 3)[:, None] & (len(calls) > 27), np.nan, s)
        module, calls = package.generative.langevin, []
        settings = {"sigmas": (1.0, 0.7, 0.3), "step_size": 0.02, "n_steps": 10}
        with pytest.raises(module.NonFiniteScoreError,
                           match=r"3 of 8 chains at level 3 \(sigma = 0.3\), step 8") as caught:
            module.annealed(np.random.default_rng(0), fails, start(8), every=9, **settings)
        good = module.annealed(np.random.default_rng(0), normal_score, start(8), every=1, **settings)
        assert (caught.value.level, caught.value.step) == (3, 8)
        np.testing.assert_array_equal(caught.value.samples.x, good.trajectory[26])
        np.testing.assert_array_equal(caught.value.samples.trajectory, good.trajectory[[8, 17, 26]])

    def test_a_step_beyond_stability_stops_the_chains(self, package):
        module = package.generative.langevin
        error = module.NonFiniteScoreError
        with pytest.raises(error, match="lower the step size") as caught, np.errstate(all="ignore"):
            module.unadjusted(np.random.default_rng(0), normal_score, start(4), step_size=20.0, n_steps=5000)
        assert np.isfinite(caught.value.samples.x).all() and np.abs(caught.value.samples.x).max() > 1e300

    @pytest.mark.parametrize(("change", "words"), [
        ({"sigmas": (1.0, 1.0)},
         r"sigmas: expected strictly decreasing noise levels, got 1 after 1 \(level 2\)"),
        ({"sigmas": (0.1, 1.0)}, "strictly decreasing"),
        ({"sigmas": (1.0, -1.0)}, "sigmas: last level: expected a positive"),
        ({"sigmas": (1.0, np.nan)}, "sigmas: expected finite"), ({"sigmas": ()}, "sigmas: number of levels"),
        ({"step_size": 0}, "step_size"), ({"n_steps": 1.5}, "n_steps"), ({"every": 0}, "every"),
        ({"start": np.zeros(3)}, "start: expected shape"),
        ({"start": np.full((3, 2), np.nan)}, "start: expected finite"),
        ({"score": lambda x, sigma: x[:, :1]}, r"score\(x, sigma\): expected shape")])
    def test_bad_input_is_refused(self, package, change, words):
        arguments = {"score": normal_score, "start": start(3), "sigmas": (1.0, 0.5)}
        with pytest.raises(ValueError, match=words):
            package.generative.langevin.annealed(
                np.random.default_rng(0), **arguments | {"step_size": 0.1, "n_steps": 2} | change)
