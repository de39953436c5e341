"""Neural ratio estimation: against closed forms, and without the lecture's two defects."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
SMALL = {"hidden": (16, 16), "n_contrastive": 2, "max_epochs": 6, "batch_size": 100}


def gaussian(package, n, seed=0):
    """θ ~ N(0, 1)², x = 1000 + 40 (θ + ½ noise): the posterior is N(0.8 y, 0.2), y = (x − 1000)/40. The units
    are no one's friends."""
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal((n, 2))
    x = 1000 + 40 * (theta + 0.5 * rng.standard_normal((n, 2)))
    return package.priors.Normal([0.0, 0.0], [1.0, 1.0]), theta, x


def gaussian_log_ratio(theta, x):
    """log p(θ|x) − log p(θ), in closed form."""
    return (stats.norm.logpdf(theta, 0.8 * (x - 1000) / 40,
                              np.sqrt(0.2)) - stats.norm.logpdf(theta)).sum(axis=1)


def square(package, n, seed=0):
    """θ ~ U(−1, 1), x = θ² + 0.1 noise: two modes, about which a linear regression knows nothing."""
    rng = np.random.default_rng(seed)
    theta = rng.uniform(-1, 1, (n, 1))
    return package.priors.BoxUniform([-1.0], [1.0]), theta, theta**2 + 0.1 * rng.standard_normal((n, 1))


@BOTH
def test_it_finds_the_closed_form_ratio(package):
    prior, theta, x = gaussian(package, 2000)
    posterior = package.inference.nre.fit(prior, theta, x, rng=np.random.default_rng(1), **SMALL)
    _, theta, x = gaussian(package, 2000, seed=5)
    exact = gaussian_log_ratio(theta, x)
    assert np.abs(posterior.log_ratio(theta, x) - exact).mean() < 0.1 < exact.std()
    assert_close(posterior.log_prob(theta, x), posterior.log_ratio(theta,
                                                                   x) + stats.norm.logpdf(theta).sum(axis=1),
                 terms=100)
    mean, std = 0.8 * (x[0] - 1000) / 40, np.sqrt(0.2)
    for settings in ({}, {"sampler": package.inference.slice_sampler, "thin": 4, "n_candidates": 2000}):
        drawn = posterior.sample(np.random.default_rng(2), 4000, x[0], **settings)
        assert np.abs(drawn.mean(axis=0) - mean).max() < 0.08
        assert np.abs(drawn.std(axis=0) / std - 1).max() < 0.08


@BOTH
def test_the_observation_is_scaled_like_the_training_data(package):
    """The lecture fed its trained network an observation as it came; the same here, as a control, is far
    off."""
    prior, theta, x = gaussian(package, 1000)
    posterior = package.inference.nre.fit(prior, theta, x, rng=np.random.default_rng(1), **SMALL)
    _, theta, x = gaussian(package, 500, seed=5)
    exact, ratio = gaussian_log_ratio(theta, x), package.inference.ratio
    baseline = {"prior": prior, "regression": posterior.regression}
    unscaled = ratio.log_ratio(posterior.params, prior.to_unconstrained(theta)[0], x, **baseline)
    assert np.abs(posterior.log_ratio(theta,
                                      x) - exact).mean() < 0.2 and np.abs(unscaled - exact).mean() > 1000


@BOTH
def test_the_best_network_is_kept_as_a_copy(package):
    """The second half of the training climbs the loss: what is returned is that of the best epoch, to the
    last digit."""
    prior, theta, x = square(package, 60)

    def run(max_epochs, schedule):
        return package.inference.nre.fit(prior, theta, x, rng=np.random.default_rng(1), schedule=schedule,
                                         learning_rate=0.02, patience=100,
                                         **SMALL | {"max_epochs": max_epochs, "batch_size": 27})
    spoilt = run(40, lambda fraction: 1.0 if fraction < 0.5 else -2.0)
    held_out = spoilt.history["validation_loss"]
    best = int(np.argmin(held_out)) + 1
    assert best <= 20 and held_out[-1] > held_out[best - 1] + 0.1
    stopped = run(best, package.training.optim.constant)
    assert all(np.array_equal(*pair) for pair in zip(spoilt.params["layers"], stopped.params["layers"]))


@BOTH
def test_an_interrupted_training_leaves_a_posterior(package):
    prior, theta, x = square(package, 300)

    def schedule(fraction):
        if fraction > 0.5:
            raise KeyboardInterrupt
        return 1.0
    with pytest.warns(UserWarning, match="interrupted"):
        posterior = package.inference.nre.fit(prior, theta, x, rng=np.random.default_rng(1),
                                              schedule=schedule, **SMALL)
    assert len(posterior.history["train_loss"]) == 3 and posterior.log_ratio(theta, x).shape == (300,)


def test_balance_tempers_a_classifier_that_is_too_sure():
    """A hundred simulations learnt by heart: on fresh pairs the classifier errs confidently; with λ = 100 it
    knows its limits."""
    prior, theta, x = gaussian(accel, 100)
    _, fresh, y = gaussian(accel, 4000, seed=5)
    found = []
    for balance in (0.0, 100.0):
        posterior = accel.inference.nre.fit(prior, theta, x, rng=np.random.default_rng(1), hidden=(64, 64),
                                            n_contrastive=1, max_epochs=300,
                                            batch_size=50, validation_fraction=0.0, balance=balance,
                                            schedule=accel.training.optim.constant)
        matched, mismatched = (1 / (1 + np.exp(-posterior.log_ratio(np.roll(fresh, -k, axis=0), y)))
                               for k in (0, 1))
        found.append(matched.mean() + mismatched.mean() - 1)
    assert found[0] < -0.1 and abs(found[1]) < 0.03


@pytest.mark.slow
def test_gaussian_linear_reaches_its_target(seed):
    """10,000 simulations: the best possible classifier, ½ + ½ TV with TV = ∫ max(0, p − q) at exact draws, is
    right at most 56 % of the time; so is any real one. Asked about an observation that is off by half a
    standard deviation in each number, it is right more often."""
    task = accel.simulators.gaussian_linear
    rng = np.random.default_rng(seed)
    theta = task.prior.sample(rng, 10_000)
    posterior = accel.inference.nre.fit(task.prior, theta, task.simulate(rng, theta), rng=rng, max_epochs=20)

    def accuracy(x, asked):
        exact = task.exact_posterior_sample(rng, 10_000, x)
        normalisation = posterior.candidates(rng, 20_000, asked).log_mean_weight
        log_q_over_p = posterior.log_prob(exact, asked) - normalisation - task.exact_posterior_log_prob(exact,
                                                                                                        x)
        return 0.5 + 0.5 * np.mean(np.maximum(0, 1 - np.exp(log_q_over_p)))
    observed = task.simulate(rng, task.prior.sample(rng, 5))
    assert np.mean([accuracy(x, x) for x in observed]) < 0.56 < np.mean([accuracy(x, x + 0.16)
                                                                         for x in observed])
