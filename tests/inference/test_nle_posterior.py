"""A trained likelihood: its gradient, its normalisation, and draws of the posterior that it implies."""
import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
SMALL = {"n_transforms": 2, "hidden": (12, 12), "max_epochs": 6}
NOISE = np.array([[0.25, 0.15], [0.15, 0.25]])
QUICK = {"n_chains": 200, "n_warmup": 30, "thin": 10, "n_candidates": 2000}


def gaussian(package, n, seed=0):
    """θ ~ N(0, 1)², x = θ + correlated noise, its second column in other units."""
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal((n, 2))
    x = theta + rng.multivariate_normal(np.zeros(2), NOISE, size=n)
    return package.priors.Normal([0.0, 0.0], [1.0, 1.0]), theta, x * [1.0, 1e4]


def exact_posterior(x):
    """Mean and covariance of θ given the rows of x, (T, 2), together."""
    cov = np.linalg.inv(np.eye(2) + len(x) * np.linalg.inv(NOISE))
    return cov @ np.linalg.inv(NOISE) @ (x / [1.0, 1e4]).sum(axis=0), cov


def box(package, n, seed=0):
    """θ uniform in a box, x = θ + wide noise: the posterior is a normal cut off at the bounds."""
    rng = np.random.default_rng(seed)
    theta = rng.uniform([-1.0, 2.0], [1.0, 5.0], (n, 2))
    return package.priors.BoxUniform([-1.0, 2.0], [1.0, 5.0]), theta, theta + rng.standard_normal((n, 2))


@BOTH
def test_several_observations_of_one_theta_are_answered_together(package):
    prior, theta, x = gaussian(package, 4000)
    posterior = package.inference.nle.fit(prior, theta, x, rng=np.random.default_rng(1), **SMALL)
    seen = gaussian(package, 5, seed=7)[2]
    together = posterior.log_likelihood(theta[:9], seen, iid=True)
    assert_close(together, sum(posterior.log_likelihood(theta[:9], one) for one in seen), terms=100)
    assert np.abs(together - posterior.log_likelihood(theta[:9], seen[0])).min() > 0.1


@pytest.mark.parametrize("package", [pytest.param(reference, marks=pytest.mark.slow), accel],
                         ids=["reference", "accel"])
def test_the_posterior_has_the_closed_form_moments(package):
    """Of one observation, and of five together, whose posterior is narrower: the other's moments do not
    fit."""
    prior, theta, x = gaussian(package, 4000)
    posterior = package.inference.nle.fit(prior, theta, x, rng=np.random.default_rng(1),
                                          **{**SMALL, "n_transforms": 1})
    seen = gaussian(package, 5, seed=7)[2]
    for question, iid in ((seen[0], False), (seen, True)):
        drawn = posterior.sample(np.random.default_rng(2), 4000, question, iid=iid, **QUICK)
        assert drawn.shape == (4000, 2)

        def fits(rows):
            mean, cov = exact_posterior(rows)
            width = np.sqrt(np.diag(cov))
            return ((np.abs(drawn.mean(axis=0) - mean) < 0.08 * width).all()
                    and np.abs(np.cov((drawn / width).T) - cov / np.outer(width, width)).max() < 0.12)
        assert fits(seen if iid else seen[:1]) and not fits(seen[:1] if iid else seen)


def test_other_samplers_serve_and_observations_are_asked_one_after_another():
    prior, theta, x = gaussian(accel, 2000)
    posterior = accel.inference.nle.fit(prior, theta, x, rng=np.random.default_rng(1),
                                        **{**SMALL, "n_transforms": 1})
    seen = gaussian(accel, 2, seed=8)[2]
    drawn = posterior.sample(np.random.default_rng(2), 1000, seen, sampler=accel.inference.slice_sampler,
                             **QUICK | {"n_chains": 50})
    assert drawn.shape == (2, 1000, 2)
    for one, samples in zip(seen, drawn):
        mean, cov = exact_posterior(one[None])
        assert np.abs((samples.mean(axis=0) - mean) / np.sqrt(np.diag(cov))).max() < 0.2


@BOTH
@pytest.mark.parametrize("name, n_transforms", [("maf", 2), ("nsf", 1), ("realnvp", 2), ("mdn", None)])
def test_every_density_serves_with_its_gradient(package, tmp_path, name, n_transforms):
    prior, theta, x = box(package, 1000)
    posterior = package.inference.nle.fit(prior, theta, x, rng=np.random.default_rng(1),
                                          density=getattr(package.density, name),
                                          **{**SMALL, "n_transforms": n_transforms})
    for question, iid in ((x[0], False), (x[:3], True)):
        target, u = posterior.target(question, iid=iid), np.random.default_rng(4).standard_normal((8, 2))
        value, slope = target.log_likelihood_and_grad(u)
        assert_close(target.log_likelihood(u), value, terms=100)
        assert_close(posterior.log_likelihood(prior.to_constrained(u)[0], question, iid=iid), value,
                     terms=10_000)
        for i, step in enumerate(1e-5 * np.eye(2)):
            difference = (target.log_likelihood(u + step) - target.log_likelihood(u - step)) / 2e-5
            assert np.abs(difference - slope[:, i]).max() < 1e-6 * max(1, np.abs(slope).max())
    posterior.save(tmp_path / "posterior.npz")
    for other in (reference, accel):
        back = other.inference.nle.load(tmp_path / "posterior.npz")
        assert back.density is getattr(other.density, name)
        assert_close(back.log_likelihood(theta, x), posterior.log_likelihood(theta, x), terms=1000)


@BOTH
def test_it_is_a_density_of_the_data_and_zero_outside_the_prior(package):
    prior, theta, x = box(package, 400)
    posterior = package.inference.nle.fit(prior, theta, x, rng=np.random.default_rng(1), **SMALL)
    edges = [np.linspace(low, high, 401) for low, high in ((-7, 7), (-4, 11))]
    grid = np.stack(np.meshgrid(*((e[1:] + e[:-1]) / 2 for e in edges), indexing="ij"), axis=-1).reshape(-1,
                                                                                                         2)
    mass = np.exp(posterior.log_likelihood(np.tile([0.3, 2.5], (len(grid), 1)),
                                           grid)).sum() * (14 / 400) * (15 / 400)
    assert abs(mass - 1) < 2e-3
    outside = np.array([[0.0, 5.1], [-1.0, 3.0], [np.nan, 3.0]])
    assert np.array_equal(posterior.log_likelihood(outside, x[0]), [-np.inf] * 3)
    assert np.array_equal(posterior.log_prob(outside, x[0]), [-np.inf] * 3)


@pytest.mark.filterwarnings("ignore:hmc. the chains have not mixed")              # 205 iterations, on purpose
def test_no_sample_is_outside_the_prior_whatever_the_observation():
    prior, theta, x = box(accel, 400)
    for dtype in (np.float64, np.float32):
        posterior = accel.inference.nle.fit(prior, theta.astype(dtype), x.astype(dtype),
                                            rng=np.random.default_rng(1), **SMALL)
        for far in (np.array([2.5, 5.5], dtype), np.array([6.0, -3.0], dtype)):
            drawn = posterior.sample(np.random.default_rng(2), 200, far, n_chains=20, n_warmup=5, thin=1,
                                     n_candidates=200)
            assert drawn.shape == (200, 2) and drawn.dtype == dtype and np.isfinite(drawn).all()
            assert (drawn > np.array([-1.0, 2.0])).all() and (drawn < np.array([1.0, 5.0])).all()
