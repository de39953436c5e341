"""The exact sampler and density against quadrature, importance weights and the forward model."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.simulators import two_moons

BOTH = pytest.mark.parametrize("package", [reference, accel])
OBSERVATIONS = {"open": [-0.64, 0.16], "centre": [0.0, -0.65], "cut by the square": [-1.0, 0.0],
                "partly unsolvable": [0.34, -0.3]}
EACH = pytest.mark.parametrize("x", OBSERVATIONS.values(), ids=OBSERVATIONS)


def weighted_prior(x, n, rng):
    """Prior draws with weights ∝ p(x|θ), the density of (3) in Cartesian coordinates, from (2) by hand."""
    theta = rng.uniform(-1, 1, (n, 2))
    p0 = x[0] + np.abs(theta.sum(axis=1)) / np.sqrt(2) - 0.25
    p1 = x[1] - (theta[:, 1] - theta[:, 0]) / np.sqrt(2)
    rho = np.sqrt(p0**2 + p1**2)
    return theta, np.where(p0 > 0, stats.norm.pdf(rho, 0.1, 0.01) / (np.pi * rho), 0.0)


def test_simulations_lie_on_the_ring():
    theta = np.tile([0.3, -0.8], (20_000, 1))
    x = two_moons.simulate(np.random.default_rng(0), theta)
    p = x + [np.abs(-0.5) / np.sqrt(2), 1.1 / np.sqrt(2)]             # (−|θ₁+θ₂|, θ₂−θ₁)/√2 = (−0.5, −1.1)/√2
    radius, angle = np.hypot(p[:, 0] - 0.25, p[:, 1]), np.arctan2(p[:, 1], p[:, 0] - 0.25)
    assert stats.kstest(radius, stats.norm(0.1, 0.01).cdf).pvalue > 1e-3
    assert stats.kstest(angle, stats.uniform(-np.pi / 2, np.pi).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(radius, angle)[0, 1]) < 5 / np.sqrt(20_000)


def test_likelihood_is_a_density_of_x():
    grid = np.linspace(-0.3, 0.3, 1201)
    x = np.stack(np.meshgrid(grid + 0.2, grid, indexing="ij"), axis=-1).reshape(-1, 2) + [-0.4, 0.9]
    theta = np.tile([(0.4 - 0.9) / np.sqrt(2), (0.4 + 0.9) / np.sqrt(2)], (len(x), 1))      # s = 0.4, d = 0.9
    assert abs(np.exp(two_moons.log_likelihood(theta, x)).sum() * 0.0005**2 - 1) < 2e-3


@EACH
def test_posterior_density_integrates_to_one(x):
    h = 1e-3                                  # the density steps to 0 at the moons' tips, which h/√2 may miss
    middle = np.arange(-1 + h / 2, 1, h)
    theta = np.stack(np.meshgrid(middle, middle, indexing="ij"), axis=-1).reshape(-1, 2)
    assert abs(np.exp(two_moons.exact_posterior_log_prob(theta, x)).sum() * h**2
               - 1) < 2 * h / np.sqrt(2) / (0.1 * np.pi)
    assert two_moons.evidence(np.array(OBSERVATIONS["open"])) == pytest.approx(2, abs=1e-12)


@EACH
def test_samples_agree_with_weighted_prior_draws(x):
    rng = np.random.default_rng(7)
    theta, weight = weighted_prior(np.array(x), 2_000_000, rng)
    draws = two_moons.exact_posterior_sample(rng, 20_000, x)
    assert two_moons.prior.contains(draws).all()
    n_effective = weight.sum()**2 / np.sum(weight**2)
    features = [lambda t: t[:, 0], lambda t: t[:, 1], lambda t: t[:, 0] * t[:, 1],
                lambda t: np.abs(t.sum(axis=1)),
                lambda t: (t[:, 0] - t[:, 1])**2, lambda t: np.cos(9 * t[:, 0]), lambda t: t.sum(axis=1) > 0]
    for k, feature in enumerate(features):
        mean = np.average(feature(theta), weights=weight)
        std = np.sqrt(np.average((feature(theta) - mean)**2, weights=weight))
        gap = np.abs(feature(draws).mean() - mean) / (std * np.sqrt(1 / n_effective + 1 / 20_000))
        assert gap < 5, f"feature {k}: {gap:.1f} standard errors"


def test_the_coin_must_not_absorb_what_no_theta_solves():
    """The recipe without the rejection of p₀ < x₀ is a control that must fail where that can happen."""
    x, rng = np.array(OBSERVATIONS["partly unsolvable"]), np.random.default_rng(3)
    p, coin = two_moons.draw_noise(rng, 40_000), rng.random(40_000)
    q0, q1 = np.where(coin < 0.5, -1, 1) * (p[:, 0] - x[0]), x[1] - p[:, 1]
    theta = np.column_stack((q0 - q1, q0 + q1)) / np.sqrt(2)
    theta = theta[two_moons.prior.contains(theta)]
    assert np.mean(np.isinf(two_moons.exact_posterior_log_prob(theta, x))
                   | (two_moons.log_likelihood(theta, x) < -20)) > 0.1
    assert (two_moons.log_likelihood(two_moons.exact_posterior_sample(rng, 5000, x), x) > -20).all()


@EACH
def test_acceptance_is_half_the_evidence(x):
    p = two_moons.draw_noise(np.random.default_rng(4), 100_000)
    s, d = p[:, 0] - x[0], x[1] - p[:, 1]
    # by symmetry, either sign of s
    inside = (s > 0) & (np.abs(s - d) < np.sqrt(2)) & (np.abs(s + d) < np.sqrt(2))
    assert abs(inside.mean() - two_moons.evidence(np.array(x)) / 2) < 5 * 0.5 / np.sqrt(100_000)


def test_mean_exact_density_is_that_of_samples_of_the_joint():
    """E log p(θ|x) over the joint, by the sampler and by the forward model: two ways to draw (θ, x)."""
    rng = np.random.default_rng(5)
    theta = two_moons.prior.sample(rng, 80)
    ours, theirs = [], []
    for row, x in zip(theta, two_moons.simulate(rng, theta)):
        ours.append(two_moons.exact_posterior_log_prob(row[None], x)[0])
        theirs.append(two_moons.exact_posterior_log_prob(two_moons.exact_posterior_sample(rng, 20, x),
                                                         x).mean())
    gap = np.array(ours) - theirs
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(len(gap))


@BOTH
@pytest.mark.parametrize(("call", "message"), [
    (lambda m, rng: m.simulate(rng, np.zeros((3, 3))), r"theta: expected shape \(N, 2\)"),
    (lambda m, rng: m.exact_posterior_sample(rng, 5, [9.0, 0.0]),
     "x: expected an observation that the simulator can produce"),
    (lambda m, rng: m.exact_posterior_log_prob(np.zeros((1, 2)), [9.0, 0.0]),
     "x: expected an observation that the simulator can"),
    (lambda m, rng: m.exact_posterior_sample(rng, 5, [np.nan, 0.0]), "x: expected finite"),
    (lambda m, rng: m.exact_posterior_sample(rng, 0, [-0.6, 0.1]), "n: expected a whole number"),
    (lambda m, rng: m.exact_posterior_sample(rng, 5, [[-0.6, 0.1]]), r"x: expected shape \(2,\)"),
])
def test_bad_input_is_named(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.simulators.two_moons, np.random.default_rng(0))
