"""Neural likelihood estimation: against a closed-form likelihood, and what may be fitted."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
SMALL = {"n_transforms": 2, "hidden": (12, 12), "max_epochs": 6}
NOISE = np.array([[0.25, 0.15], [0.15, 0.25]])


def gaussian(package, n, seed=0):
    """θ ~ N(0, 1)², x = θ + correlated noise, its second column in other units."""
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal((n, 2))
    x = theta + rng.multivariate_normal(np.zeros(2), NOISE, size=n)
    return package.priors.Normal([0.0, 0.0], [1.0, 1.0]), theta, x * [1.0, 1e4]


def exact_likelihood(theta, x):
    return stats.multivariate_normal(np.zeros(2), NOISE).logpdf(x / [1.0, 1e4] - theta) - np.log(1e4)


@BOTH
def test_it_finds_the_closed_form_likelihood(package):
    """In nats, constants and units included; a likelihood without the noise's correlation is further away."""
    prior, theta, x = gaussian(package, 4000)
    posterior = package.inference.nle.fit(prior, theta, x, rng=np.random.default_rng(1), **SMALL)
    _, theta, x = gaussian(package, 4000, seed=5)
    exact, ours = exact_likelihood(theta, x), posterior.log_likelihood(theta, x)
    assert -1e-3 < np.mean(exact - ours) < 0.01 and np.abs(exact - ours).mean() < 0.05
    blind = stats.norm.logpdf(x / [1.0, 1e4], theta, 0.5).sum(axis=1) - np.log(1e4)
    assert np.mean(exact - blind) > 0.2
    assert abs(posterior.validation_log_prob - np.mean(exact)) < 0.2
    one = posterior.log_likelihood(theta[:50], x[0])
    assert_close(one, posterior.log_likelihood(theta[:50], np.repeat(x[:1], 50, axis=0)), terms=100)
    assert_close(posterior.log_prob(theta[:50], x[0]), one + stats.norm.logpdf(theta[:50]).sum(axis=1),
                 terms=100)


@BOTH
def test_compressed_data_keep_the_likelihood(package):
    """Two numbers spread over twelve: the likelihood of the scores differs from that of the numbers by a
    constant."""
    mix = np.linalg.qr(np.random.default_rng(3).standard_normal((12, 2)))[0].T
    prior, theta, x = gaussian(package, 4000)
    x = x / [1.0, 1e4]
    posterior = package.inference.nle.fit(prior, theta, x @ mix, rng=np.random.default_rng(1), n_components=2,
                                          **SMALL)
    _, theta, x = gaussian(package, 4000, seed=5)
    gap = exact_likelihood(theta, x) + np.log(1e4) - posterior.log_likelihood(theta, x / [1.0, 1e4] @ mix)
    assert -1e-3 < np.mean(gap) < 0.01 and np.abs(gap).mean() < 0.05


@BOTH
def test_an_interrupted_training_leaves_a_likelihood(package):
    """The user presses ^C in the third epoch."""
    prior, theta, x = gaussian(package, 300)

    def schedule(fraction):
        if fraction > 0.3:
            raise KeyboardInterrupt
        return 1.0
    with pytest.warns(UserWarning, match="interrupted"):
        posterior = package.inference.nle.fit(prior, theta, x, rng=np.random.default_rng(1),
                                              schedule=schedule, **SMALL)
    assert len(posterior.history["train_loss"]) == 2 and np.isfinite(posterior.log_likelihood(theta, x)).all()


@BOTH
def test_bad_input_is_refused(package, tmp_path):
    prior, theta, x = gaussian(package, 60)
    nle, description, rng = package.inference.nle, package.inference.description, np.random.default_rng(1)
    for wrong in (package.density.made, "maf", np):
        with pytest.raises(ValueError,
                           match="density: expected a module, one of maf, mdn, nsf, realnvp of this"):
            nle.fit(prior, theta, x, rng=rng, density=wrong)
    hole = x.copy()
    hole[3, 1] = np.nan
    for arguments, name in (((theta[:, :1], x), "theta"), ((theta, x[1:]), "x"),
                            ((theta[:19], x[:19]), "theta"), ((theta, hole), "x")):
        with pytest.raises(ValueError, match=f"^{name}.*expected"):
            nle.fit(prior, *arguments, rng=rng)
    posterior = nle.fit(prior, theta, x, rng=rng, **{**SMALL, "max_epochs": 1})
    for question in (x[0, :1], hole[3], x[:0, :1]):
        with pytest.raises(ValueError, match="^x: expected"):
            posterior.sample(rng, 5, question)
    with pytest.raises(
            ValueError,
            match=r"x: expected one observation \(2,\), or several of one theta and iid=True, got 3"):
        posterior.target(x[:3])
    with pytest.raises(ValueError,
                       match="x: expected one observation or 4, one for each theta, or iid=True, got 3"):
        posterior.log_likelihood(theta[:4], x[:3])
    with pytest.raises(ValueError, match="^n: expected"):
        posterior.sample(rng, 0, x[0])
    package.runtime.persistence.save(tmp_path / "other.npz", "nle",
                                     {**description.describe(posterior), "density": "os"})
    with pytest.raises(ValueError, match="density: expected one of 'maf', 'mdn', 'nsf', 'realnvp', got 'os'"):
        nle.load(tmp_path / "other.npz")
