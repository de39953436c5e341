"""The vectors that define a prior: what is taken, what is kept, what is refused."""
import numpy as np
import pytest

import accel
from tests.agreement.backends import uses_cuda
from tests.support.priors import BOTH, refuses


@BOTH
def test_vectors_are_read_only_copies_in_float64(package):
    mean = np.array([1, 2], np.float32)
    prior = package.priors.Normal(mean, [3, 4])
    mean[0] = 9
    assert prior.mean.tolist() == [1, 2] and prior.mean.dtype == prior.std.dtype == np.float64
    assert not prior.mean.flags.writeable and not prior.std.flags.writeable
    assert package.priors.Normal(0, 1).mean.shape == (1,)


def test_device_vectors_are_held_on_the_host():
    if uses_cuda():
        pytest.skip("the real CuPy is in this process")
    from tests import strict_cupy
    prior = accel.priors.Normal(strict_cupy.install().zeros(2), [3, 4])
    assert type(prior.mean) is np.ndarray and prior.mean.tolist() == [0, 0]


@refuses((lambda p: p.BoxUniform([0.0], [1.0, 2.0]), r"high: expected shape \(1,\), got \(2,\)"),
         (lambda p: p.BoxUniform([], []), "low: expected one or more"),
         (lambda p: p.BoxUniform(["a"], [1.0]), "low: expected real numbers"),
         (lambda p: p.BoxUniform([[0.0]], [[1.0]]), r"low: expected shape \(dim,\)"),
         (lambda p: p.BoxUniform([0.0], [np.inf]), "high: expected finite"))
def test_bad_input_is_named(package, make, message):
    with pytest.raises(ValueError, match=message):
        make(package.priors)
