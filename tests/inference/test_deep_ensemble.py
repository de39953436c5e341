"""Ensembles: the mixture of their members, trained in turn or in processes."""
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

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
def test_an_ensemble_is_the_mixture_of_its_members(package):
    prior, theta, x = box(package, 300)
    ensemble = package.inference.deep_ensemble.fit(prior, theta, x, rng=np.random.default_rng(1), n_members=3,
                                                   n_processes=1, **SMALL)
    scores = np.array([member.validation_log_prob for member in ensemble.members])
    assert np.allclose(ensemble.weights,
                       np.exp(scores) / np.exp(scores).sum()) and len(set(ensemble.weights)) == 3
    mixture = sum(w * np.exp(member.log_prob(theta, x)) for w,
                  member in zip(ensemble.weights, ensemble.members))
    assert_close(ensemble.log_prob(theta, x), np.log(mixture), terms=100)
    drawn = ensemble.sample(np.random.default_rng(2), 40_000, x[0])
    expected = sum(w * member.sample(np.random.default_rng(3), 40_000, x[0]).mean(axis=0)
                   for w, member in zip(ensemble.weights, ensemble.members))
    assert np.abs(drawn.mean(axis=0) - expected).max() < 5 * drawn.std() / 200


def test_members_trained_in_processes_are_those_trained_in_turn():
    prior, theta, x = box(accel, 200)
    fit = accel.inference.deep_ensemble.fit
    runs = [fit(prior, theta, x, rng=np.random.default_rng(1), n_members=3, n_processes=n, **SMALL)
            for n in (1, 2)]
    assert np.array_equal(*(run.weights for run in runs))
    assert np.array_equal(*(run.log_prob(theta, x) for run in runs))


def test_a_member_that_fails_in_its_process_says_why():
    prior, theta, x = box(accel, 60)
    with pytest.raises(RuntimeError, match="NonFiniteLossError.*not finite at step"):
        accel.inference.deep_ensemble.fit(prior, theta.astype(np.float32), x.astype(np.float32),
                                          rng=np.random.default_rng(1), n_members=2,
                                     n_processes=2, learning_rate=1e30, clip_norm=1e30, **SMALL)


@pytest.mark.slow
def test_interrupting_processes_keeps_their_best(tmp_path):
    """^C in a program that trains members side by side: it must come back with an ensemble of what was
    reached."""
    program = tmp_path / "program.py"
    program.write_text(f"""
import sys, warnings
sys.path[:0] = {sys.path!r}
import numpy as np
from accel import priors
from accel.inference import deep_ensemble
rng = np.random.default_rng(0)
theta = rng.standard_normal((20000, 2))
prior = priors.Normal([0.0, 0.0], [1.0, 1.0])
print("started", flush=True)
done = deep_ensemble.fit(prior, theta, theta + rng.standard_normal((20000, 2)), rng=rng, n_members=2,
                         n_processes=2, max_epochs=100_000, patience=100_000,
                         checkpoint={str(tmp_path / "run")!r})
print("kept", len(done.members), done.sample(rng, 3, np.zeros(2)).shape)
""")
    # tests in the background ignore it
    run = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, start_new_session=True,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    run.stdout.readline()
    # both have finished an epoch
    while run.poll() is None and len(list(tmp_path.glob("run.member[01]"))) < 2:
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGINT)
    out, error = run.communicate(timeout=60)
    assert "kept 2 (3, 2)" in out and "interrupted" in error


@BOTH
def test_an_ensemble_needs_scores(package):
    prior, theta, x = gaussian(package, 60)
    member = package.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1), validation_fraction=0.0,
                                       **SMALL)
    with pytest.raises(ValueError, match="members: expected each to have a finite validation_log_prob"):
        package.inference.deep_ensemble.combine([member])
