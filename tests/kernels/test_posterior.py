"""The kernel that makes parameters of whitened draws, through g++: what no draw may become, and what it
leaves to array code.
"""
import numpy as np
import pytest
from scipy.special import ndtr

from accel import device
from accel import priors
from accel.inference import _prior_columns, npe_posterior
from accel.kernels.posterior import launch as posterior_kernel
from tests import strict_cupy

pytestmark = [
    pytest.mark.kernels,
    pytest.mark.skipif(not strict_cupy.COMPILER,
                       reason="kernels run on the CPU through g++, which is not installed"),
]
LOW, HIGH = np.array([-1.0, 2.0, 1e-3]), np.array([1.0, 5.0, 0.1])


@pytest.fixture
def cp():
    return strict_cupy.install()


def finished(cp, prior, v, mean, factor, dtype):
    arrays = [cp.asarray(array, dtype=dtype) for array in (v, mean, factor)]
    columns = _prior_columns.mapped(prior, np.dtype(dtype))
    with device.kernels(True), strict_cupy.counted() as spent:
        theta = posterior_kernel.finish(columns, *arrays)
    assert spent["kernel"] == 1
    return theta.get()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_the_probit_of_a_normal(cp, dtype):
    rng = np.random.default_rng(0)
    v, mean = rng.standard_normal((5, 60, 3)), rng.standard_normal((5, 3))
    factor = np.tril(rng.uniform(0.2, 0.9, (3, 3)))
    found = finished(cp, priors.BoxUniform(LOW, HIGH), v, mean, factor, dtype)
    u = np.einsum("jk,isk->isj", factor, v) + mean[:, None]
    assert np.abs((found - LOW) / (HIGH - LOW) - ndtr(u)).max() < (2e-6 if dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_draw_leaves_the_prior_however_far_it_lies(cp, dtype):
    v = np.array([-1e30, -40.0, 0.0, 9.0, 1e30, np.nan])[None, :, None] * np.ones(3)
    prior = priors.Independent([priors.BoxUniform(LOW[:2], HIGH[:2]), priors.LogNormal([0.0], [1.0])])
    found = finished(cp, prior, v, np.zeros((1, 3)), np.eye(3), dtype)[0]
    assert np.isnan(found[-1]).all()
    assert (found[:-1, :2] > LOW[:2]).all() and (found[:-1, :2] < HIGH[:2]).all()
    assert (found[:-1, 2] > 0).all() and np.isfinite(found[:-1]).all()


def test_rows_beyond_the_last_are_not_written(cp):
    whole = cp.zeros((300, 3))
    with device.kernels(True):
        columns = _prior_columns.mapped(priors.Normal(np.ones(3), np.ones(3)), np.dtype(float))
        posterior_kernel.finish(columns, whole[:129][None], cp.zeros((1, 3)), cp.asarray(np.eye(3)))
    assert (whole.get()[:129] == 1).all() and (whole.get()[129:] == 0).all()


def test_other_priors_are_left_to_array_code(cp):
    columns_of, cp_zeros = npe_posterior.columns_of, cp.zeros
    mixed = priors.Independent([priors.Dirichlet(np.ones(7)), priors.BoxUniform([0.0], [1.0])])
    box = priors.BoxUniform(np.zeros(300), np.ones(300))
    with device.kernels(True):
        with pytest.warns(RuntimeWarning, match="Independent of 8 parameters, as a prior, has no kernel"):
            assert columns_of(mixed, cp_zeros((2, 3, 7))) is None
        with pytest.warns(RuntimeWarning, match="BoxUniform of 300 parameters"):
            assert columns_of(box, cp_zeros((2, 3, 300))) is None
        kinds, constants = columns_of(priors.BoxUniform(LOW, HIGH), cp_zeros((2, 3, 3)))
        assert kinds.tolist() == [0, 0, 0] and constants.shape == (3, 7)
    assert columns_of(box, np.zeros((2, 3, 300))) is None
