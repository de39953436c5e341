"""Neural posterior estimation: against a closed-form posterior, and what may be fitted."""
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


@BOTH
def test_it_finds_the_closed_form_posterior(package):
    prior, theta, x = gaussian(package, 4000)
    posterior = package.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1), **SMALL)
    _, theta, x = gaussian(package, 4000, seed=5)
    exact = stats.norm.logpdf(theta, 0.8 * x, np.sqrt(0.2)).sum(axis=1)
    assert 0 <= np.mean(exact - posterior.log_prob(theta, x)) < 0.02
    drawn = posterior.sample(np.random.default_rng(2), 20_000, np.array([1.0, -0.5]))
    assert np.abs(drawn.mean(axis=0) - [0.8, -0.4]).max() < 0.05
    assert np.abs(drawn.std(axis=0) / np.sqrt(0.2) - 1).max() < 0.05


@BOTH
@pytest.mark.parametrize("settings", [{"embedding": (8, 3)}, {"n_components": 2}], ids=["embedding", "pca"])
def test_compressed_data_keep_the_posterior(package, settings):
    """The two numbers are spread over twelve: what compresses them must not lose them."""
    mix = np.random.default_rng(3).standard_normal((2, 12))
    prior, theta, x = gaussian(package, 4000)
    posterior = package.inference.npe.fit(prior, theta, x @ mix, rng=np.random.default_rng(1), **SMALL,
                                          **settings)
    _, theta, x = gaussian(package, 4000, seed=5)
    exact = stats.norm.logpdf(theta, 0.8 * x, np.sqrt(0.2)).sum(axis=1)
    assert np.mean(exact - posterior.log_prob(theta, x @ mix)) < 0.05


@BOTH
def test_an_interrupted_training_leaves_a_posterior(package):
    """The user presses ^C in the third epoch."""
    prior, theta, x = gaussian(package, 300)

    def schedule(fraction):
        if fraction > 0.3:
            raise KeyboardInterrupt
        return 1.0
    with pytest.warns(UserWarning, match="interrupted"):
        posterior = package.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1),
                                              schedule=schedule, **SMALL)
    assert len(posterior.history["train_loss"]) == 2 and posterior.sample(np.random.default_rng(0), 5,
                                                                          x[0]).shape == (5, 2)


@BOTH
@pytest.mark.parametrize("name, n_transforms", [("nsf", 1), ("realnvp", 2), ("mdn", None)])
def test_other_densities_serve(package, tmp_path, name, n_transforms):
    prior, theta, x = gaussian(package, 2000)
    posterior = package.inference.npe.fit(prior, theta, x, rng=np.random.default_rng(1),
                                          density=getattr(package.density, name),
                                          **{**SMALL, "n_transforms": n_transforms})
    _, theta, x = gaussian(package, 2000, seed=5)
    exact = stats.norm.logpdf(theta, 0.8 * x, np.sqrt(0.2)).sum(axis=1)
    assert 0 <= np.mean(exact - posterior.log_prob(theta, x)) < 0.05
    posterior.save(tmp_path / "posterior.npz")
    for other in (reference, accel):
        back = other.inference.npe.load(tmp_path / "posterior.npz")
        assert back.density is getattr(other.density, name)
        assert_close(back.log_prob(theta, x), posterior.log_prob(theta, x), terms=1000)
        assert_close(back.sample(np.random.default_rng(2), 9, x[0]),
                     posterior.sample(np.random.default_rng(2), 9, x[0]), terms=1000)


@BOTH
def test_unknown_densities_are_refused(package, tmp_path):
    prior, theta, x = gaussian(package, 60)
    npe, ensemble = package.inference.npe, package.inference.deep_ensemble
    for wrong in (package.density.made, "maf", np):
        for fit in (npe.fit, ensemble.fit):
            with pytest.raises(ValueError,
                               match="density: expected a module, one of maf, mdn, nsf, realnvp of this"):
                fit(prior, theta, x, rng=np.random.default_rng(1), density=wrong)
    with pytest.raises(ValueError,
                       match="n_transforms: expected None for mdn, which has no transforms, got 2"):
        npe.fit(prior, theta, x, rng=np.random.default_rng(1), density=package.density.mdn, **SMALL)
    tree = package.inference.description.describe(npe.fit(prior, theta, x, rng=np.random.default_rng(1),
                                                          **SMALL))
    package.runtime.persistence.save(tmp_path / "other.npz", "npe", {**tree, "density": "os"})
    with pytest.raises(ValueError, match="density: expected one of 'maf', 'mdn', 'nsf', 'realnvp', got 'os'"):
        npe.load(tmp_path / "other.npz")


@BOTH
def test_each_flow_has_its_own_number_of_transforms(package):
    init, flows = package.inference.npe.init_params, package.density
    found = [init(np.random.default_rng(0), dim=2, context_dim=2, density=density)["flow"]
             for density in (flows.maf, flows.nsf, flows.realnvp)]
    assert [len(next(iter(params.values()))) for params in found] == [5, 3, 6]
