"""Ensembles on a device: members trained side by side in fused kernels, on the stand-in or a GPU."""
import warnings

import numpy as np
import pytest

from accel import device
from accel import priors
from accel.density import maf, nsf, realnvp
from accel.inference import deep_ensemble, npe
from tests import strict_cupy
from tests.agreement.backends import uses_cuda
from tests.agreement.comparator import assert_close, flatten

cp = device.module("cuda") if uses_cuda() else strict_cupy.install()
pytestmark = [
    pytest.mark.kernels,
    pytest.mark.gpu if uses_cuda() else
    pytest.mark.skipif(strict_cupy.COMPILER is None, reason="kernels run on the CPU through g++"),
]
COUNTS = pytest.mark.skipif(uses_cuda(), reason="it is the stand-in that counts")

SETTINGS = {"n_transforms": 2, "hidden": (6, 5), "batch_size": 20, "max_epochs": 6, "learning_rate": 0.02,
            "patience": 2}


def simulations(xp=cp):
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((120, 2))
    return priors.Normal([0.0, 0.0],
                         [1.0, 1.0]), xp.asarray(theta), xp.asarray(theta + 0.5 * rng.standard_normal((120,
                                                                                                       2)))


def fit(n_members, xp=cp, **settings):
    with device.kernels(True):
        return deep_ensemble.fit(*simulations(xp), rng=np.random.default_rng(1), n_members=n_members,
                                 n_processes=1, **SETTINGS | settings)


@pytest.mark.parametrize("density", [maf, realnvp], ids=["maf", "realnvp"])
def test_members_side_by_side_are_those_trained_alone(density):
    """The same numbers but for rounding: how a batch is cut into blocks depends on how many models share
    the device.
    """
    together = fit(3, density=density)
    with device.kernels(True):
        for seed, member in zip(np.random.default_rng(1).integers(0, 2**62, size=3), together.members):
            alone = npe.fit(*simulations(), rng=np.random.default_rng(int(seed)), density=density, **SETTINGS)
            assert member.history.keys() == alone.history.keys()
            for path, leaf in flatten([alone.params, alone.history, alone.validation_log_prob]).items():
                other = flatten([member.params, member.history, member.validation_log_prob])[path]
                assert_close(*(a.get() if hasattr(a, "get") else a for a in (other, leaf)), terms=2000,
                             what=path)
    assert len({len(member.history["train_loss"]) for member in together.members}) > 1


@pytest.mark.parametrize("density", [maf, realnvp], ids=["maf", "realnvp"])
def test_the_numbers_are_those_of_the_cpu(density):
    there, here = fit(2, density=density), fit(2, np, density=density)
    assert_close(there.weights, here.weights, terms=2000)
    theta, x = simulations(np)[1:]
    assert_close(there.log_prob(cp.asarray(theta), cp.asarray(x)).get(), here.log_prob(theta, x),
                 terms=20_000)


@COUNTS
def test_three_members_are_as_many_launches_as_one():
    """Of kernels of our own; what is launched besides, to sort the order of an epoch for example, is for
    each member.
    """
    counts = []
    for n_members in (1, 3):
        with strict_cupy.counted() as spent:
            fit(n_members, patience=100)
        counts.append(spent["kernel"])
    assert counts[0] == counts[1]


def test_a_member_whose_checkpoint_is_lost_is_trained_again_beside_one_that_has_finished(tmp_path):
    whole = fit(2, checkpoint=tmp_path / "run")
    (tmp_path / "run.member1").unlink()
    again = fit(2, checkpoint=tmp_path / "run")
    for left, right in zip(again.members, whole.members):
        assert_close(left.history["train_loss"], right.history["train_loss"], terms=2000)


def test_a_density_without_a_fused_step_is_trained_in_array_code():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(fit(2, density=nsf, max_epochs=1).members) == 2
