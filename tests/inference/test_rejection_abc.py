"""Rejection ABC against the distribution that it samples, known for the power law; against the literal loop;
and what it refuses."""
import tracemalloc

import numpy as np
import pytest
from scipy import integrate, stats

import accel
import reference
from reference.inference import rejection_abc
from reference.simulators import power_law

BOTH = pytest.mark.parametrize("package", [reference, accel])
X = np.array([31.6])


def run(package=reference, seed=0, x=X, simulate=None, **ask):
    module = package.simulators.power_law
    return package.inference.rejection_abc.sample(np.random.default_rng(seed), module.prior,
                                                  simulate or module.simulate, x, **ask)


def distribution(epsilon):
    """The distribution function of θ given |x − 31.6| < ε: the noise integrated over the interval, then
    quadrature."""
    theta = np.linspace(0.03, 0.3, 20_001)
    mean = theta**-1.5
    density = stats.norm.cdf((31.6 + epsilon - mean) / 5) - stats.norm.cdf((31.6 - epsilon - mean) / 5)
    cumulative = integrate.cumulative_simpson(density, x=theta, initial=0)
    return lambda t: np.interp(t, theta, cumulative / cumulative[-1])


@pytest.mark.parametrize("epsilon", [20.0, 10.0, 5.0])
def test_kept_parameters_follow_the_distribution_of_the_lectures_example(epsilon):
    kept = run(n_simulations=60_000, epsilon=epsilon)
    assert stats.kstest(kept.theta[:, 0], distribution(epsilon)).pvalue > 1e-3
    assert stats.kstest(kept.theta[:, 0], distribution(0.01)).pvalue < 1e-3, (
        "the check cannot tell ABC from the exact posterior")
    assert (kept.distance < epsilon).all() and kept.epsilon == epsilon and kept.n_simulations == 60_000
    np.testing.assert_allclose(kept.distance, np.abs(kept.x[:, 0] - 31.6), rtol=1e-12)


def test_small_tolerance_gives_the_exact_posterior():
    kept = run(n_simulations=400_000, epsilon=0.4)
    exact = power_law.exact_posterior_sample(np.random.default_rng(1), 20_000, X)
    assert len(kept.theta) > 1000 and stats.ks_2samp(kept.theta[:, 0], exact[:, 0]).pvalue > 1e-3


@pytest.mark.parametrize("epsilon", [20.0, 3.0])
def test_the_loop_of_the_lecture_keeps_the_same_rows(epsilon):
    rng = np.random.default_rng(2)
    theta = power_law.prior.sample(rng, 2000)
    literal = rejection_abc.accept_literal(theta, power_law.simulate(rng, theta), X, epsilon,
                                           rejection_abc.euclidean)
    kept = run(seed=2, n_simulations=2000, epsilon=epsilon)
    np.testing.assert_array_equal(literal[0], kept.theta)
    np.testing.assert_array_equal(literal[1], kept.x)


@BOTH
@pytest.mark.parametrize("chunk_size", [1, 7, 100, 1000])
def test_quantile_keeps_the_nearest_whatever_the_chunks(package, chunk_size):
    theta = np.random.default_rng(3).uniform(-1, 1, (300, 2))

    class Queue:
        def __init__(self):
            self.start = 0

        def sample(self, rng, n):
            self.start += n
            return theta[self.start - n:self.start]
    kept = package.inference.rejection_abc.sample(None, Queue(), lambda rng, rows: rows + 1, [1.2, 0.7],
                                                  n_simulations=300, quantile=0.05,
                                                  chunk_size=chunk_size)
    nearest = np.sort(np.argsort(np.hypot(theta[:, 0] - 0.2, theta[:, 1] + 0.3))[:15])
    np.testing.assert_array_equal(kept.theta, theta[nearest])
    assert kept.epsilon == kept.distance.max() and len(kept.distance) == 15


@BOTH
def test_any_distance_will_do(package):
    def taxi(x, observation):
        return np.abs(x - observation).sum(axis=1)
    moons = package.simulators.two_moons
    kept = package.inference.rejection_abc.sample(np.random.default_rng(4), moons.prior, moons.simulate,
                                                  [-0.6, 0.1], n_simulations=5000,
                                                  epsilon=0.3, distance=taxi)
    np.testing.assert_allclose(kept.distance, np.abs(kept.x - [-0.6, 0.1]).sum(axis=1), rtol=1e-12)
    assert len(kept.x) and (kept.distance < 0.3).all()


@BOTH
def test_memory_stays_flat(package):
    peaks = []
    for n in (20_000, 200_000):
        tracemalloc.start()
        run(package, n_simulations=n, quantile=1e-3, chunk_size=10_000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@BOTH
@pytest.mark.parametrize("ask", [dict(epsilon=60.0), dict(quantile=0.5)])
def test_interruption_keeps_what_was_kept(package, ask):
    calls = []

    def stops(rng, theta):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return package.simulators.power_law.simulate(rng, theta)
    with pytest.warns(UserWarning, match="what 30 of 1000 simulations gave is returned"):
        kept = run(package, simulate=stops, n_simulations=1000, chunk_size=10, **ask)
    whole = run(package, n_simulations=30, chunk_size=10, **ask)
    for ours, theirs in zip(kept, whole):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(KeyboardInterrupt):
        calls[:] = [1, 1, 1]
        run(package, simulate=stops, n_simulations=1000, **ask)


@BOTH
@pytest.mark.parametrize("ask", [dict(epsilon=60.0), dict(quantile=0.5)])
def test_failed_simulations_are_counted_and_never_kept(package, ask):
    def fails(rng, theta):
        x = package.simulators.power_law.simulate(rng, theta)
        x[::10] = np.nan
        x[5::10] = -np.inf
        return x
    with pytest.raises(package.runtime.simulation.SimulationError,
                       match="40 of 200 simulations or their distances are NaN or inf") as caught:
        run(package, simulate=fails, n_simulations=200, chunk_size=50, **ask)
    assert len(caught.value.x) and np.isfinite(caught.value.x).all()
    assert len(caught.value.theta) == len(caught.value.x)


@BOTH
def test_simulator_that_raises_hands_back_what_was_kept(package):
    calls, error = [], OverflowError("the star exploded")

    def raises(rng, theta):
        calls.append(1)
        if len(calls) == 3:
            raise error
        return package.simulators.power_law.simulate(rng, theta)
    with pytest.raises(package.runtime.simulation.SimulationError,
                       match="after 20 of 100 simulations with OverflowError: the star") as caught:
        run(package, simulate=raises, n_simulations=100, chunk_size=10, epsilon=60.0)
    assert caught.value.__cause__ is error
    np.testing.assert_array_equal(caught.value.theta, run(package, n_simulations=20, chunk_size=10,
                                                          epsilon=60.0).theta)


@BOTH
@pytest.mark.parametrize(
    ("ask", "message"),
    [(dict(epsilon=1e-9),
      "epsilon: expected a tolerance that keeps something, got 1e-09; the nearest of 500 simulations is at "
      "0.1939"), (dict(), "epsilon, quantile: expected one of the two, got neither"),
     (dict(epsilon=1.0, quantile=0.1), "epsilon, quantile: expected one of the two, got both"),
     (dict(epsilon=0.0), "epsilon: expected a positive"),
     (dict(epsilon=np.nan), "epsilon: expected a positive"),
     (dict(quantile=0), "quantile: expected a positive"),
     (dict(quantile=1.1), r"quantile: expected a fraction in \(0, 1\]"),
     (dict(epsilon=5.0, n_simulations=0), "n_simulations: expected a whole number"),
     (dict(epsilon=5.0, chunk_size=2.5), "chunk_size: expected a whole number"),
     (dict(epsilon=5.0, x=[np.nan]), "observation: expected finite"),
     (dict(epsilon=5.0, x=[[1.0]]), r"observation: expected shape \(D,\)"),
     (dict(epsilon=5.0, x=[1.0, 2.0]), r"x: expected shape \(500, 2\), got \(500, 1\)"),
     (dict(epsilon=5.0, distance=lambda x, observation: x),
      r"distance: expected shape \(500,\), got \(500, 1\)"),
     (dict(epsilon=5.0, distance=lambda x, observation: x[:, 0] > 3), "distance: expected real numbers"),
     (dict(epsilon=5.0, simulate=lambda rng, theta: theta[1:]),
      r"x: expected shape \(500, 1\), got \(499, 1\)"),
     (dict(epsilon=5.0, simulate=lambda rng, theta: theta * np.nan),
      "500 of 500 simulations or their distances are NaN or inf"),
     (dict(quantile=0.1, simulate=lambda rng, theta: theta * np.nan),
      "500 of 500 simulations or their distances are NaN or inf")])
def test_bad_input_is_named(package, ask, message):
    with pytest.raises(ValueError, match=message):
        run(package, **{"n_simulations": 500, **ask})
