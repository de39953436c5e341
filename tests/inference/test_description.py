"""Trained posteriors described and made again: every part, frozen parameters, names of older files, copies
and pickles."""
import copy
import pickle

import numpy as np
import pytest

import accel
import reference
from accel import device
from tests import strict_cupy
from tests.agreement.backends import uses_cuda
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
BRIEF = {"max_epochs": 1, "hidden": (4,)}


def fitted(package, page):
    rng = np.random.default_rng(0)
    theta = rng.uniform(0.1, 0.9, (60, 2))
    x = np.column_stack((theta, theta**2)) + 0.1 * rng.standard_normal((60, 4))
    prior = package.priors.Independent((package.priors.BoxUniform([0.0], [1.0]),
                                        package.priors.Normal([0.0], [2.0])))
    settings = BRIEF if page == "nre" else {**BRIEF, "n_transforms": 1}
    return getattr(package.inference, page).fit(prior, theta, x, rng=rng, n_components=3,
                                                **settings), theta, x


@BOTH
@pytest.mark.parametrize("page", ["npe", "nle", "nre"])
def test_what_is_described_can_be_made_again(package, page):
    posterior, theta, x = fitted(package, page)
    description = package.inference.description
    tree = description.describe(posterior)
    assert tree["prior"]["name"] == "Independent" and tree.get("density", "maf") == "maf"
    for again in (description.restore(type(posterior), tree), copy.deepcopy(posterior),
                  pickle.loads(pickle.dumps(posterior))):
        assert type(again) is type(posterior) and again.history == posterior.history
        assert np.array_equal(again.log_prob(theta, x), posterior.log_prob(theta, x))
        with pytest.raises(TypeError, match="frozen"):
            again.params["new"] = 0


@BOTH
def test_files_of_0_1_call_the_training_domain_support(package):
    posterior, _, x = fitted(package, "npe")
    description = package.inference.description
    tree = description.describe(posterior)
    tree["support"] = tree.pop("training_domain")
    assert np.array_equal(description.restore(type(posterior), tree).distance(x), posterior.distance(x))
    del tree["support"]
    assert description.restore(type(posterior), tree).training_domain is None


@BOTH
def test_a_density_is_known_by_its_short_name(package):
    description = package.inference.description
    for name in ("maf", "mdn", "nsf", "realnvp"):
        assert description.density_of(name) is getattr(package.density, name)
        assert description.name_of(getattr(package.density, name)) == name
    with pytest.raises(ValueError, match="density: expected one of 'maf', 'mdn', 'nsf', 'realnvp', got 'os'"):
        description.density_of("os")
    with pytest.raises(ValueError,
                       match="density: expected a module, one of maf, mdn, nsf, realnvp of this package"):
        description.name_of(np)


def test_what_one_package_describes_the_other_makes():
    posterior, theta, x = fitted(accel, "nle")
    other = reference.inference.description.restore(reference.inference.nle.Posterior,
                                                    accel.inference.description.describe(posterior))
    assert_close(other.log_likelihood(theta, x), posterior.log_likelihood(theta, x), terms=1000)


@pytest.fixture
def cp():
    if uses_cuda():
        pytest.skip("the real CuPy is in this process")
    return strict_cupy.install()


@pytest.mark.parametrize("page", ["npe", "nle", "nre"])
def test_a_posterior_moves_to_a_device_and_back(cp, page):
    posterior, theta, x = fitted(accel, page)
    with device.kernels(False):
        moved = device.put(posterior, cp)
        found = moved.log_prob(cp.asarray(theta), cp.asarray(x))
        assert isinstance(found, cp.ndarray) and type(moved.params) is type(posterior.params)
        assert_close(found.get(), posterior.log_prob(theta, x), terms=10_000)
        back = device.put(device.put(posterior, cp, "float32"), np, "float64")
    assert np.abs(back.log_prob(theta, x) - posterior.log_prob(theta, x)).max() < 1e-3
