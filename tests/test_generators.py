"""Generators on a device, and NumPy's draws delivered to one."""
import numpy as np
import pytest

from accel import device
from accel.generators import generator, shared_generator
from tests.agreement.backends import uses_cuda


@pytest.fixture
def cp():
    """The strict stand-in, as the module of device arrays."""
    if uses_cuda():
        pytest.skip("the real CuPy is in this process")
    from tests import strict_cupy
    return strict_cupy.install()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_shared_generator_gives_numpys_draws(cp, dtype):
    calls = (lambda rng: rng.random((2, 3)), lambda rng: rng.standard_normal(4),
             lambda rng: rng.integers(0, 9, size=(5,)), lambda rng: rng.random(),
             lambda rng: rng.standard_normal((0, 2)), lambda rng: rng.integers(7, size=2))
    for xp in (np, cp):
        ours, theirs = shared_generator(np.random.default_rng(3), xp, dtype), np.random.default_rng(3)
        for call in calls:
            drawn, expected = call(ours), np.asarray(call(theirs))
            assert isinstance(drawn, xp.ndarray) and drawn.shape == expected.shape
            assert drawn.dtype == (dtype if expected.dtype.kind == "f" else expected.dtype)
            assert np.array_equal(device.to_host(drawn), expected.astype(drawn.dtype))


def test_a_shared_generator_delivers_a_single_integer_as_numpy_does():
    ours, theirs = shared_generator(np.random.default_rng(3), np), np.random.default_rng(3)
    assert ours.integers(0, 9) == theirs.integers(0, 9)


@pytest.mark.kernels
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_generator_draws_on_its_device_in_its_dtype(cp, dtype):
    for xp in (np, cp):
        rng = generator(5, xp, dtype)
        normal, uniform = rng.standard_normal((2000,)), rng.random((2000, 1))
        whole = rng.integers(0, 4, size=(2000,))
        assert all(isinstance(drawn, xp.ndarray) for drawn in (normal, uniform, whole))
        assert normal.dtype == uniform.dtype == dtype and whole.dtype == np.int64
        assert uniform.shape == (2000, 1) and sorted(set(whole.tolist())) == [0, 1, 2, 3]
        assert abs(float(normal.mean())) < 4 / 2000**0.5
        assert abs(float(uniform.mean()) - 0.5) < 4 * (1 / 12 / 2000) ** 0.5
        again = generator(5, xp, dtype).standard_normal((2000,))
        assert np.array_equal(device.to_host(again), device.to_host(normal))


@pytest.mark.kernels
def test_draws_on_the_device_need_no_transfer(cp):
    from tests.strict_cupy import counted
    rng = generator(5, cp, "float32")
    with counted() as spent:
        rng.standard_normal(100), rng.random(100), rng.integers(0, 4, size=100)
    assert spent["upload"] == spent["sync"] == 0


@pytest.mark.kernels
def test_every_generator_tells_its_state_and_can_be_set_back(cp):
    host = np.random.default_rng(3)
    assert shared_generator(host, cp).bit_generator is host.bit_generator
    for xp in (np, cp):
        rng = generator(3, xp, "float32")
        rng.random(5)
        state = rng.bit_generator.state
        expected = device.to_host(rng.standard_normal(7))
        again = generator(4, xp, "float32")
        again.bit_generator.state = state
        assert np.array_equal(device.to_host(again.standard_normal(7)), expected)
