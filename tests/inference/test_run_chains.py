"""Where chains start, what is reported of them, and what must not pass in silence."""
import functools
import warnings

import numpy as np
import pytest
from scipy import stats

import accel
import reference
from tests.agreement.backends import accel_backends, uses_cuda
from tests.support import posteriors

BOTH = pytest.mark.parametrize("package", [reference, accel])


def normal_target(package, log_likelihood=lambda u: 0 * u[:, 0]):
    prior = package.priors.Normal([1.0, -2.0], [0.5, 3.0])
    return package.inference.target.Target(prior, log_likelihood)


# starts

@BOTH
def test_a_start_outside_the_prior_is_refused(package):
    target = posteriors.target(package)
    with pytest.raises(ValueError,
                       match=r"start: expected rows inside the prior's support, got 1 of 2 outside "
                       r"\(first: row 1\)"):
        package.inference.run_chains.sample(np.random.default_rng(0), target, 10,
                                            start=np.array([[0.5, 0.5], [3.5, 0.0]]))
    with pytest.raises(ValueError, match=r"start: expected shape \(C, 2\)"):
        package.inference.run_chains.sample(np.random.default_rng(0), target, 10, start=np.zeros((4, 3)))


@BOTH
def test_a_start_without_density_is_refused(package):
    target = normal_target(package, lambda u: np.where(u[:, 0] > 0, 0.0, -np.inf))
    with pytest.raises(ValueError, match="start: expected points inside the target's support, got 1 of 2"):
        package.inference.run_chains.sample(np.random.default_rng(0), target, 10,
                                            start=np.array([[0.5, 0.0], [1.5, 0.0]]))


# what comes back

@BOTH
def test_draws_carry_the_posteriors_density(package):
    """log p(x|θ) + log p(θ): by SciPy, at the draws."""
    target = normal_target(package, lambda u: -2 * u[:, 1]**2)
    draws = package.inference.run_chains.sample(np.random.default_rng(2), target, 30, n_chains=5, n_warmup=50)
    z = (draws.theta - [1.0, -2.0]) / [0.5, 3.0]
    expected = -2 * z[:, 1]**2 + stats.norm([1.0, -2.0], [0.5, 3.0]).logpdf(draws.theta).sum(axis=1)
    np.testing.assert_allclose(draws.log_prob, expected, rtol=1e-10)


@BOTH
@pytest.mark.filterwarnings("ignore:slice_sampler. the chains have not mixed")
@pytest.mark.parametrize("n", [1, 7, 50, 101])
def test_as_many_draws_as_asked_for_far_apart_and_inside_the_prior(package, n):
    target = posteriors.target(package)
    draws = package.inference.run_chains.sample(np.random.default_rng(3), target, n, n_chains=10, n_warmup=20,
                                                n_least=40, thin=3)
    assert draws.theta.shape == (n, 2) and draws.log_prob.shape == (n,)
    assert target.prior.contains(draws.theta).all()
    assert draws.chains.u.shape == (10, max(40, 3 * -(-n // 10)), 2)
    assert len(np.unique(draws.theta[:, 0])) == n
    u, _ = target.prior.to_unconstrained(draws.theta)
    first = [np.flatnonzero(np.abs(draws.chains.u[0, :, 0] - value) < 1e-9) for value in u[::10, 0]]
    rows = np.concatenate(first)
    assert len(rows) == len(first) and (np.diff(rows) >= 3).all(), "draws of the first chain"


# what must not pass in silence

def two_camps(u):
    """Two normals of width 0.05 that are 40 of their widths apart: no chain crosses."""
    return np.logaddexp(-0.5 * ((u[:, 0] - 1) / 0.05)**2, -0.5 * ((u[:, 0] + 1) / 0.05)**2)


@BOTH
def test_chains_that_have_not_mixed_are_reported_with_their_r_hat(package):
    with pytest.warns(UserWarning,
                      match=r"slice_sampler: the chains have not mixed: R-hat = \d+.* in unconstrained "
                      r"parameter 0, expected "
                      r"at most 1\.01"):
        draws = package.inference.run_chains.sample(np.random.default_rng(4),
                                                    normal_target(package, two_camps), 40, n_chains=8,
                                                    n_least=50)
    assert draws.r_hat[0] > 1.3 and draws.r_hat[1] < 1.1


@BOTH
def test_chains_that_have_mixed_pass_without_a_word(package):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draws = package.inference.run_chains.sample(np.random.default_rng(5), normal_target(package), 40,
                                                    n_chains=10)
    assert (draws.r_hat <= package.inference.run_chains.R_HAT_LIMIT).all()


class Counted:
    """A log-likelihood that does something else after so many calls."""

    def __init__(self, then, after):
        self.then, self.after, self.calls = then, after, 0

    def __call__(self, u):
        self.calls += 1
        return 0 * u[:, 0] if self.calls <= self.after else self.then(u)


def interrupted(u):
    raise KeyboardInterrupt


@BOTH
def test_an_interruption_returns_what_there_is(package):
    target = normal_target(package, Counted(interrupted, 2000))
    with pytest.warns(UserWarning,
                      match=r"slice_sampler was interrupted; \d+ of 2000 iterations are returned"):
        draws = package.inference.run_chains.sample(np.random.default_rng(6), target, 1000, n_chains=5,
                                                    n_warmup=10)
    assert 0 < len(draws.theta) <= 1000 and np.isfinite(draws.theta).all()


@BOTH
def test_an_interruption_before_the_first_draw_interrupts(package):
    with pytest.raises(KeyboardInterrupt):
        package.inference.run_chains.sample(np.random.default_rng(6),
                                            normal_target(package, Counted(interrupted, 20)), 10, n_chains=5)


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_likelihood_that_stops_being_finite_stops_the_run_and_keeps_the_draws(package, value):
    target = normal_target(package, Counted(lambda u: np.where(np.arange(len(u)) == 0, value, 0.0), 2000))
    with pytest.raises(package.inference.chains.NonFiniteTargetError) as caught:
        package.inference.run_chains.sample(np.random.default_rng(7), target, 1000, n_chains=5, n_warmup=10)
    error = caught.value
    assert error.sampler == "slice_sampler" and error.n_chains == 1
    assert str(error).startswith("slice_sampler: the target's log_prob is NaN or +inf in 1 of the chains at "
                                 f"iteration {error.iteration}")
    assert error.theta.shape == (5 * error.chains.u.shape[1], 2)
    assert error.chains.u.shape[1] == error.iteration - 11


# samplers without chains

@BOTH
def test_nested_sampling_runs_no_chains_and_takes_no_start(package, monkeypatch):
    """The draws are those of its own call, and settings of chains do not matter."""
    run_chains, nested_sampler = package.inference.run_chains, package.inference.nested_sampler
    target = posteriors.target(package)
    monkeypatch.setattr(nested_sampler, "sample", functools.partial(nested_sampler.sample, n_live=20))
    found = nested_sampler.sample(np.random.default_rng(0), target, 30)
    draws = run_chains.sample(np.random.default_rng(0), target, 30, sampler=nested_sampler, n_chains=3,
                              thin=7)
    np.testing.assert_array_equal(draws.theta, found.theta)
    np.testing.assert_array_equal(draws.log_prob, found.log_prob)
    assert (draws.log_evidence, draws.log_evidence_error) == (found.log_evidence, found.log_evidence_error)
    assert draws.chains is None and np.isnan(draws.r_hat).all() and (draws.ess == found.ess).all()
    assert draws.ess.shape == (2,)
    with pytest.raises(ValueError,
                       match="start: expected none, since nested_sampler starts from the whole prior"):
        run_chains.sample(np.random.default_rng(0), target, 30, sampler=nested_sampler,
                          start=np.array([[0.5, 0.5]]))


# on a device

@pytest.mark.kernels
@pytest.mark.skipif(uses_cuda(), reason="the stand-in and CuPy share a name")
@pytest.mark.parametrize(("module", "settings", "syncs"),
                         [("hmc", (0.8, 3.0), 1.0), ("slice_sampler", (1.0,), 60.0),
                          ("metropolis", (1.0, 0.234), 1.0)])
def test_chains_stay_on_the_device(module, settings, syncs):
    """After the warm-up nothing is uploaded or widened, and the host waits once for a trajectory, and a few
    times for each batch."""
    from tests.strict_cupy import counted
    on = accel_backends()["strict-float32"]
    middle, prior = on.put(np.array([0.4, -0.7])), accel.priors.BoxUniform([-1.0, 2.0], [3.0, 2.5])
    target = accel.inference.target.Target(prior, lambda u: -2.0 * ((u - middle)**2).sum(axis=1),
                                           lambda u: (-2.0 * ((u - middle)**2).sum(axis=1),
                                                      -4.0 * (u - middle)))
    rng = accel.device.generator(3, on.xp, "float32")
    start = on.put(np.random.default_rng(0).normal(size=(10, 2)))
    states = getattr(accel.inference, module).states(rng, target, start, 8, *settings)
    for _ in range(10):
        next(states)
    with counted() as spent:
        for _ in range(10):
            next(states)
    assert spent["upload"] == spent["upcast"] == 0 and spent["sync"] <= 10 * syncs
