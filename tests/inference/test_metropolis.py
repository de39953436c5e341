"""Random-walk Metropolis by hand, against Gaussians and quadrature, with samplers that are wrong as
controls."""
import numpy as np
import pytest

import accel
import reference
from reference.inference import metropolis
from tests.support import posteriors

BOTH = pytest.mark.parametrize("package", [reference, accel])
MEAN, COVARIANCE = np.array([0.5, -1.0]), np.array([[0.6, 0.5], [0.5, 1.2]])


class Gaussian:
    """N(mean, covariance) in u, up to a constant."""
    precision = np.linalg.inv(COVARIANCE)

    def log_prob(self, u):
        return -0.5 * np.einsum("ni,ij,nj->n", u - MEAN, self.precision, u - MEAN)


def moments(chains, package=reference):
    """By how many standard errors means, variances and the covariance miss those of Gaussian, (5,)."""
    z = chains.u - MEAN
    values = np.concatenate((z, z**2 - np.diag(COVARIANCE), z[..., :1] * z[..., 1:] - COVARIANCE[0, 1]),
                            axis=2)
    ess = package.validation.convergence.effective_sample_size(values)
    return values.mean(axis=(0, 1)) / values.std(axis=(0, 1)) * np.sqrt(ess)


# one step

class Fixed:
    """A generator whose normals and uniforms are given."""

    def __init__(self, normals, uniforms):
        self.normals, self.uniforms = np.array(normals), np.array(uniforms)

    def standard_normal(self, shape):
        return self.normals.reshape(shape).copy()

    def random(self, n):
        return self.uniforms.copy()


@BOTH
def test_one_step_by_hand(package):
    """log π = −u²/2 from 1: to 0 (up, accepted), to 2 (α = e^(−3/2) = 0.223) with V = 0.22 and V = 0.23, to 3
    (α = e^(−4))."""
    class Normal:
        def log_prob(self, u):
            return -0.5 * u[:, 0]**2
    u, log_prob = np.ones((4, 1)), np.full(4, -0.5)
    rng = Fixed([-2.0, 2.0, 2.0, 4.0], [0.999, 0.22, 0.23, 0.5])
    if package is reference:
        before = u
        u, log_prob, acceptance = metropolis.step(rng, Normal(), u, log_prob, 0.5)
        assert (before == 1).all()
    else:
        acceptance = accel.inference.metropolis.step(rng, Normal(), u, log_prob, 0.5)
    assert u[:, 0].tolist() == [0.0, 2.0, 1.0, 1.0] and log_prob.tolist() == [0.0, -2.0, -0.5, -0.5]
    np.testing.assert_allclose(acceptance, [1, np.exp(-1.5), np.exp(-1.5), np.exp(-4)], rtol=1e-14)


@BOTH
def test_a_step_out_of_the_support_is_refused(package):
    class Positive:
        def log_prob(self, u):
            return np.where(u[:, 0] > 0, 0.0, -np.inf)
    chains = package.inference.metropolis.sample(np.random.default_rng(0), Positive(), np.full((50, 1), 0.01),
                                                 n_samples=20, n_warmup=0)
    assert (chains.u > 0).all() and 0.3 < chains.acceptance < 1


# the distribution

@BOTH
def test_moments_of_a_gaussian(package, seed):
    chains = package.inference.metropolis.sample(np.random.default_rng(seed), Gaussian(),
                                                 np.tile(MEAN, (100, 1)), n_samples=1000)
    gaps = moments(chains, package)
    assert np.abs(gaps).max() < 4, gaps
    assert chains.acceptance == pytest.approx(0.234, abs=0.03)        # what the scale is tuned to


@pytest.mark.parametrize("wrong", ["accepts all", "squares the ratio", "forgets who was refused"])
def test_a_wrong_sampler_does_not_pass(wrong, seed):
    """The control: the same check on acceptance that is not (2), and on refused steps that are left out of
    the average."""
    rng, target, kept = np.random.default_rng(seed), Gaussian(), []
    u = np.tile(MEAN, (100, 1))
    log_prob = target.log_prob(u)
    for _ in range(1300):
        before = u
        if wrong == "forgets who was refused":
            u, log_prob, _ = metropolis.step(rng, target, u, log_prob, 1.8)
            u_kept = np.where((u == before).all(axis=1)[:, None], np.nan, u)
        else:
            proposal = u + 1.8 * rng.standard_normal(u.shape)
            power = 0.0 if wrong == "accepts all" else 2.0
            change = target.log_prob(proposal) - target.log_prob(u)
            accepted = rng.random(100) < np.exp(power * np.minimum(change, 0))
            u = u_kept = np.where(accepted[:, None], proposal, u)
        kept.append(u_kept)
    u = np.stack(kept[300:], axis=1)
    if wrong == "forgets who was refused":
        moved = [row[np.isfinite(row[:, 0])] for row in u]
        u = np.stack([row[:min(map(len, moved))] for row in moved])
    assert np.abs(moments(reference.inference.chains.Chains(u, None))).max() > 6


@pytest.mark.slow
def test_moments_of_a_bent_and_skewed_posterior(seed):
    draws = reference.inference.run_chains.sample(np.random.default_rng(seed), posteriors.target(reference),
                                                  400, sampler=metropolis,
                                                  n_chains=40, n_warmup=400, thin=300)
    assert (draws.r_hat < 1.02).all()
    gaps = posteriors.gaps(draws, reference)
    assert np.abs(gaps).max() < 4, gaps
    wider = posteriors.gaps(draws, reference, power=1 / 1.5)
    assert np.abs(wider).max() > 6, "the check cannot see a likelihood a fifth wider"


@BOTH
@pytest.mark.parametrize("std", [1e-3, 30.0])
def test_the_scale_forgets_where_it_started(package, std):
    class Narrow:
        def log_prob(self, u):
            return -0.5 * np.sum((u / std)**2, axis=1)
    chains = package.inference.metropolis.sample(np.random.default_rng(1), Narrow(), np.zeros((100, 2)),
                                                 n_samples=300, n_warmup=300)
    assert chains.acceptance == pytest.approx(0.234, abs=0.06)


@BOTH
def test_it_is_a_sampler_for_run_chains(package):
    """N(0, 1) and a likelihood N(1, ½) in u: the posterior is N(2/3, 1/3)."""
    inference = package.inference
    target = inference.target.Target(package.priors.Normal(0.0, 1.0), lambda u: -(u[:, 0] - 1.0)**2)
    draws = inference.run_chains.sample(np.random.default_rng(2), target, 500, sampler=inference.metropolis,
                                        n_least=2000)
    assert draws.r_hat[0] < 1.01 and draws.theta.shape == (500, 1)
    assert abs(draws.theta.mean() - 2 / 3) < 4 * np.sqrt(1 / 3 / draws.ess[0] + 1 / 3 / 500)
