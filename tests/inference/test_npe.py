"""Neural posterior estimation and ensembles: against a closed-form posterior, and what they promise about support and errors."""
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy import stats

import accel
import reference
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
SMALL = {"n_transforms": 2, "hidden": (12, 12), "max_epochs": 6}


def gaussian(package, n, seed=0):
    """θ ~ N(0, 1)², x = θ + ½ noise: the posterior is N(0.8 x, 0.2)."""
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal((n, 2))
    return package.priors.Normal([0.0, 0.0], [1.0, 1.0]), theta, theta + 0.5 * rng.standard_normal((n, 2))


def box(package, n, seed=0):
    """θ uniform in a box, x = θ + wide noise: the posterior is a normal cut off at the bounds."""
    rng = np.random.default_rng(seed)
    theta = rng.uniform([-1.0, 2.0], [1.0, 5.0], (n, 2))
    return package.priors.BoxUniform([-1.0, 2.0], [1.0, 5.0]), theta, theta + rng.standard_normal((n, 2))


@BOTH
def test_it_finds_the_closed_form_posterior(package):
    prior, theta, x = gaussian(package, 4000)
    posterior = package.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1), **SMALL)
    _, theta, x = gaussian(package, 4000, seed=5)
    exact = stats.norm.logpdf(theta, 0.8 * x, np.sqrt(0.2)).sum(axis=1)
    assert 0 <= np.mean(exact - posterior.log_prob(theta, x)) < 0.02
    drawn = posterior.sample(np.random.default_rng(2), 20_000, np.array([1.0, -0.5]))
    assert np.abs(drawn.mean(axis=0) - [0.8, -0.4]).max() < 0.05 and np.abs(drawn.std(axis=0) / np.sqrt(0.2) - 1).max() < 0.05


@BOTH
@pytest.mark.parametrize("settings", [{"embedding": (8, 3)}, {"n_components": 2}], ids=["embedding", "pca"])
def test_compressed_data_keep_the_posterior(package, settings):
    """The two numbers are spread over twelve: what compresses them must not lose them."""
    mix = np.random.default_rng(3).standard_normal((2, 12))
    prior, theta, x = gaussian(package, 4000)
    posterior = package.inference.npe.fit(prior, theta, x @ mix, rng=np.random.default_rng(1), **SMALL, **settings)
    _, theta, x = gaussian(package, 4000, seed=5)
    exact = stats.norm.logpdf(theta, 0.8 * x, np.sqrt(0.2)).sum(axis=1)
    assert np.mean(exact - posterior.log_prob(theta, x @ mix)) < 0.05


@BOTH
def test_no_sample_is_outside_the_prior_whatever_the_observation(package):
    prior, theta, x = box(package, 400)
    for dtype in (np.float64, np.float32)[:1 + (package is accel)]:
        posterior = package.inference.npe.fit(prior, theta.astype(dtype), x.astype(dtype), rng=np.random.default_rng(1), **SMALL)
        far = np.array([[0.0, 3.0], [40.0, -40.0], [1e6, 1e6], [-1e12, 0.0]], dtype)
        drawn = posterior.sample(np.random.default_rng(2), 5000, far)
        assert drawn.shape == (4, 5000, 2) and drawn.dtype == dtype and np.isfinite(drawn).all()
        assert (drawn > np.array([-1.0, 2.0])).all() and (drawn < np.array([1.0, 5.0])).all()


@BOTH
def test_density_is_normalised_over_the_prior_and_zero_outside(package):
    prior, theta, x = box(package, 400)
    posterior = package.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1), **SMALL)
    edges = [np.linspace(low, high, 401) for low, high in ((-1, 1), (2, 5))]
    grid = np.stack(np.meshgrid(*((e[1:] + e[:-1]) / 2 for e in edges), indexing="ij"), axis=-1).reshape(-1, 2)
    mass = np.exp(posterior.log_prob(grid, np.array([0.3, 2.5]))).sum() * (2 / 400) * (3 / 400)
    assert abs(mass - 1) < 2e-3
    outside = posterior.log_prob(np.array([[0.0, 5.1], [-1.0, 3.0], [np.nan, 3.0]]), np.array([0.3, 2.5]))
    assert np.array_equal(outside, [-np.inf] * 3)


@BOTH
def test_an_interrupted_training_leaves_a_posterior(package):
    """The user presses ^C in the third epoch."""
    prior, theta, x = gaussian(package, 300)

    def schedule(fraction):
        if fraction > 0.3:
            raise KeyboardInterrupt
        return 1.0
    with pytest.warns(UserWarning, match="interrupted"):
        posterior = package.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1), schedule=schedule, **SMALL)
    assert len(posterior.history["train_loss"]) == 2 and posterior.sample(np.random.default_rng(0), 5, x[0]).shape == (5, 2)


def test_a_file_serves_both_packages(tmp_path):
    prior, theta, x = box(reference, 200)
    posterior = reference.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1), embedding=(5, 3), n_components=2, **SMALL)
    posterior.save(tmp_path / "posterior.npz")
    other = accel.inference.npe.load(tmp_path / "posterior.npz")
    assert_close(other.log_prob(theta, x), posterior.log_prob(theta, x), terms=1000)
    other.save(tmp_path / "again.npz")
    back = reference.inference.npe.load(tmp_path / "again.npz")
    assert np.array_equal(back.log_prob(theta, x), posterior.log_prob(theta, x))


@BOTH
@pytest.mark.parametrize("name, n_transforms", [("nsf", 1), ("realnvp", 2), ("mdn", None)])
def test_other_densities_serve(package, tmp_path, name, n_transforms):
    prior, theta, x = gaussian(package, 2000)
    posterior = package.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1), density=getattr(package.density, name),
                                          **{**SMALL, "n_transforms": n_transforms})
    _, theta, x = gaussian(package, 2000, seed=5)
    exact = stats.norm.logpdf(theta, 0.8 * x, np.sqrt(0.2)).sum(axis=1)
    assert 0 <= np.mean(exact - posterior.log_prob(theta, x)) < 0.05
    posterior.save(tmp_path / "posterior.npz")
    for other in (reference, accel):
        back = other.inference.npe.load(tmp_path / "posterior.npz")
        assert back.density is getattr(other.density, name)
        assert_close(back.log_prob(theta, x), posterior.log_prob(theta, x), terms=1000)
        assert_close(back.sample(np.random.default_rng(2), 9, x[0]), posterior.sample(np.random.default_rng(2), 9, x[0]), terms=1000)


@BOTH
def test_unknown_densities_are_refused(package, tmp_path):
    prior, theta, x = gaussian(package, 60)
    npe, ensemble = package.inference.npe, package.inference.deep_ensemble
    for wrong in (package.density.made, "maf", np):
        for fit in (npe.fit, ensemble.fit):
            with pytest.raises(ValueError, match="density: expected a module, one of maf, mdn, nsf, realnvp of this"):
                fit(prior, theta, x, rng=np.random.default_rng(1), density=wrong)
    with pytest.raises(ValueError, match="n_transforms: expected None for mdn, which has no transforms, got 2"):
        npe.fit(prior, theta, x, rng=np.random.default_rng(1), density=package.density.mdn, **SMALL)
    tree = npe.describe(npe.fit(prior, theta, x, rng=np.random.default_rng(1), **SMALL))
    package.runtime.persistence.save(tmp_path / "other.npz", "npe", {**tree, "density": "os"})
    with pytest.raises(ValueError, match="density: expected one of 'maf', 'mdn', 'nsf', 'realnvp', got 'os'"):
        npe.load(tmp_path / "other.npz")


def test_kind_of_file_is_checked(tmp_path):
    accel.representation.pca.fit(np.random.default_rng(0).standard_normal((9, 3)), n_components=2).save(tmp_path / "pca.npz")
    with pytest.raises(ValueError, match="expected a saved 'npe', got a saved 'pca'"):
        accel.inference.npe.load(tmp_path / "pca.npz")


@BOTH
def test_an_ensemble_is_the_mixture_of_its_members(package):
    prior, theta, x = box(package, 300)
    ensemble = package.inference.deep_ensemble.fit(prior, theta, x, rng=np.random.default_rng(1), n_members=3, n_processes=1, **SMALL)
    scores = np.array([member.validation_log_prob for member in ensemble.members])
    assert np.allclose(ensemble.weights, np.exp(scores) / np.exp(scores).sum()) and len(set(ensemble.weights)) == 3
    mixture = sum(w * np.exp(member.log_prob(theta, x)) for w, member in zip(ensemble.weights, ensemble.members))
    assert_close(ensemble.log_prob(theta, x), np.log(mixture), terms=100)
    drawn = ensemble.sample(np.random.default_rng(2), 40_000, x[0])
    expected = sum(w * member.sample(np.random.default_rng(3), 40_000, x[0]).mean(axis=0)
                   for w, member in zip(ensemble.weights, ensemble.members))
    assert np.abs(drawn.mean(axis=0) - expected).max() < 5 * drawn.std() / 200


def test_members_trained_in_processes_are_those_trained_in_turn():
    prior, theta, x = box(accel, 200)
    fit = accel.inference.deep_ensemble.fit
    runs = [fit(prior, theta, x, rng=np.random.default_rng(1), n_members=3, n_processes=n, **SMALL) for n in (1, 2)]
    assert np.array_equal(*(run.weights for run in runs))
    assert np.array_equal(*(run.log_prob(theta, x) for run in runs))


def test_a_member_that_fails_in_its_process_says_why():
    prior, theta, x = box(accel, 60)
    with pytest.raises(RuntimeError, match="NonFiniteLossError.*not finite at step"):
        accel.inference.deep_ensemble.fit(prior, theta.astype(np.float32), x.astype(np.float32), rng=np.random.default_rng(1), n_members=2,
                                     n_processes=2, learning_rate=1e30, clip_norm=1e30, **SMALL)


@pytest.mark.slow
def test_interrupting_processes_keeps_their_best(tmp_path):
    """^C in a program that trains members side by side: it must come back with an ensemble of what was reached."""
    program = tmp_path / "program.py"
    program.write_text(f"""
import sys, warnings
sys.path[:0] = {sys.path!r}
import numpy as np
from accel.core import priors
from accel.inference import ensemble
rng = np.random.default_rng(0)
theta = rng.standard_normal((20000, 2))
prior = priors.Normal([0.0, 0.0], [1.0, 1.0])
print("started", flush=True)
done = ensemble.fit(prior, theta, theta + rng.standard_normal((20000, 2)), rng=rng, n_members=2, n_processes=2, max_epochs=100_000,
                    patience=100_000, checkpoint={str(tmp_path / "run")!r})
print("kept", len(done.members), done.sample(rng, 3, np.zeros(2)).shape)
""")
    run = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))   # tests in the background ignore it
    run.stdout.readline()
    while run.poll() is None and len(list(tmp_path.glob("run.member[01]"))) < 2:       # both have finished an epoch
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGINT)
    out, error = run.communicate(timeout=60)
    assert "kept 2 (3, 2)" in out and "interrupted" in error


@BOTH
def test_an_ensemble_needs_scores(package):
    prior, theta, x = gaussian(package, 60)
    member = package.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1), validation_fraction=0.0, **SMALL)
    with pytest.raises(ValueError, match="members: expected each to have a finite validation_log_prob"):
        package.inference.deep_ensemble.combine([member])


@BOTH
def test_each_flow_has_its_own_number_of_transforms(package):
    init, flows = package.inference.npe.init_params, package.density
    found = [init(np.random.default_rng(0), dim=2, context_dim=2, density=density)["flow"]
             for density in (flows.maf, flows.nsf, flows.realnvp)]
    assert [len(next(iter(params.values()))) for params in found] == [5, 3, 6]
