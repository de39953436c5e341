"""Rejection ABC in kernels: the rows of array code whatever the launches, few of these and little memory,
and what falls back.
"""
import functools
import warnings

import numpy as np
import pytest

from accel import device
from accel import priors
from accel.kernels import cuda
from accel.runtime.simulation import SimulationError
from accel.inference import rejection_abc
from accel.kernels.rejection_abc import launch as abc_kernel
from accel.simulators import power_law, two_moons
from tests.agreement.backends import accel_backends, uses_cuda

PLACES = [backend for backend in accel_backends().values() if backend.kernels]
pytestmark = [
    pytest.mark.kernels,
    pytest.mark.skipif(not PLACES, reason="kernels run on the CPU through g++, or on a GPU"),
]
ON = pytest.mark.parametrize("on", PLACES, ids=lambda backend: backend.name)


def run(on, *, kernels=True, seed=7, simulator=power_law, x=(31.6,), simulate=None, prior=None, rng=None,
        **ask):
    with device.kernels(kernels):
        kept = rejection_abc.sample(rng or device.generator(seed, on.xp, on.dtype), prior or simulator.prior,
                                    simulate or simulator.simulate, on.put(np.array(x)), **ask)
    return device.to_host(kept)


def same(ours, theirs):
    for a, b in zip(ours[:3], theirs[:3]):
        np.testing.assert_array_equal(a, b)
    assert ours[3:] == theirs[3:]


@ON
@pytest.mark.parametrize("ask", [dict(epsilon=4.0), dict(quantile=0.02), dict(quantile=1.0)])
@pytest.mark.parametrize("chunk_size", [31, 2000, 10**6])
def test_how_many_chunks_a_launch_covers_changes_nothing(on, ask, chunk_size, monkeypatch):
    kept = run(on, n_simulations=6000, chunk_size=chunk_size, **ask)
    rng = device.generator(7, on.xp, on.dtype)
    for launch in (1, 500, 4001):
        monkeypatch.setattr(abc_kernel, "LAUNCH", launch)
        other = device.generator(7, on.xp, on.dtype)
        same(run(on, n_simulations=6000, chunk_size=chunk_size, rng=other, **ask), kept)
        run(on, n_simulations=6000, chunk_size=chunk_size, rng=rng, **ask)
        assert rng.block == other.block, "the generator stands where array code would leave it"
        rng = device.generator(7, on.xp, on.dtype)


@ON
def test_it_keeps_the_rows_of_array_code(on):
    for ask in (dict(epsilon=2.0), dict(quantile=0.01)):
        fused, plain = (run(on, kernels=kernels, n_simulations=30_000, chunk_size=4_000, **ask)
                        for kernels in (True, False))
        assert len(fused.theta) == len(plain.theta) > 200
        for a, b, scale in zip(fused[:3], plain[:3], (0.3, 200, 200)):
            np.testing.assert_allclose(a, b, rtol=0, atol=64 * scale * np.finfo(on.dtype).eps)


@pytest.mark.skipif(uses_cuda(), reason="counted by the stand-in")
@ON
def test_launches_and_memory_do_not_grow_with_what_is_rejected(on):
    from tests.strict_cupy import counted
    spent = {}
    for n in (10_000, 80_000):
        with counted() as spent[n]:
            run(on, n_simulations=n, epsilon=1e-2 * 80_000 / n, chunk_size=1000)
    assert spent[10_000]["kernel"] == spent[80_000]["kernel"] == 3
    assert spent[80_000]["launch"] == spent[10_000]["launch"] < 40
    assert spent[80_000]["sync"] == spent[10_000]["sync"] < 10
    # a bit for each simulation, read and written, and the rows that are kept
    assert spent[80_000]["bytes"] < 80_000 / 8 * 2 + 10_000


@ON
def test_a_quantile_starts_with_few_and_doubles(on, monkeypatch):
    """No launch may keep more than a few times the rows that the quantile keeps."""
    sizes, call = [], abc_kernel.Fused.__call__

    def spy(self, n, bound):
        near, failed, least = call(self, n, bound)
        sizes.append((n, len(near[0])))
        return near, failed, least
    monkeypatch.setattr(abc_kernel.Fused, "__call__", spy)
    run(on, n_simulations=40_000, quantile=0.005, chunk_size=100)
    assert [n for n, _ in sizes] == [800, 800, 1600, 3200, 6400, 12800, 14400]
    assert max(rows for _, rows in sizes) == 800 and all(rows < 400 for _, rows in sizes[1:])


@ON
@pytest.mark.parametrize("ask", [dict(epsilon=60.0), dict(quantile=0.5)])
def test_interruption_keeps_what_was_kept(on, ask, monkeypatch):
    calls, call = [], abc_kernel.Fused.__call__

    def stops(self, n, bound):
        calls.append(n)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return call(self, n, bound)
    monkeypatch.setattr(abc_kernel, "LAUNCH", 100)
    monkeypatch.setattr(abc_kernel.Fused, "__call__", stops)
    with pytest.warns(UserWarning, match="what 200 of 1000 simulations gave is returned"):
        kept = run(on, n_simulations=1000, chunk_size=10, **ask)
    monkeypatch.setattr(abc_kernel.Fused, "__call__", call)
    same(kept, run(on, n_simulations=200, chunk_size=10, **ask))


@ON
def test_nothing_near_says_how_near_the_nearest_was(on):
    with pytest.raises(ValueError,
                       match=r"epsilon: expected a tolerance that keeps something, got 1e-09; the nearest of "
                             r"500 simulations"):
        run(on, n_simulations=500, epsilon=1e-9)


@ON
def test_device_code_that_does_not_compile_is_a_simulators_failure(on):
    broken = device.kernel_code("__device__ void simulate(const real* theta, const real* noise, real* x) { "
                                "x[0] = speed; }", theta_dim=1,
                                x_dim=1)(lambda rng, theta: theta)
    with pytest.raises(SimulationError,
                       match="(?s)failed after 0 of 50 simulations with .*device code of simulate.*speed"):
        run(on, simulate=broken, n_simulations=50, epsilon=1.0)


@ON
def test_a_simulator_may_draw_nothing(on):
    square = device.kernel_code("__device__ void simulate(const real* theta, const real*, real* x) { x[0] = "
                                "theta[0] * theta[0]; }",
                                theta_dim=1, x_dim=1)(lambda rng, theta: theta**2)
    ask = dict(simulate=square, x=(0.01,), n_simulations=5000, epsilon=1e-3)
    fused, plain = run(on, **ask), run(on, kernels=False, **ask)
    assert abs(fused.theta**2 - 0.01).max() < 1e-3 and len(fused.theta) == len(plain.theta) > 50
    np.testing.assert_allclose(fused.theta, plain.theta, rtol=1e-6)


@ON
def test_an_observation_may_be_a_strided_view(on):
    table = on.put(np.array([[-0.6, 9.0], [0.1, 9.0]]))
    ask = dict(n_simulations=2000, epsilon=0.3)
    with device.kernels(True):
        view = rejection_abc.sample(device.generator(7, on.xp, on.dtype), two_moons.prior, two_moons.simulate,
                                    table[:, 0], **ask)
    same(device.to_host(view), run(on, simulator=two_moons, x=(-0.6, 0.1), **ask))


@ON
def test_an_observation_of_another_length_is_named_as_ever(on):
    with pytest.raises(SimulationError, match=r"x: expected shape \(50, 2\), got \(50, 1\)"):
        run(on, x=(31.6, 1.0), n_simulations=50, epsilon=1.0)


@ON
@pytest.mark.parametrize(("change", "warned"), [
    (dict(distance=lambda x, observation: abs(x - observation).max(axis=1)),
     "a distance other than euclidean is beyond the kernel"),
    (dict(prior=priors.Dirichlet([1.0, 2.0])),
     "a prior with other than box-uniform, normal and log-normal parts is beyond the kernel"),
    (dict(simulate=lambda rng, theta: two_moons.simulate(rng, theta)), None)],
                         ids=["distance", "prior", "no device code"])
def test_what_a_kernel_cannot_do_array_code_does(on, change, warned):
    """It is said once, where device code was given in vain."""
    ask, said = dict(simulator=two_moons, x=(-0.6, 0.1), n_simulations=1000, epsilon=0.5), []
    cuda.fall_back.cache_clear()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for kernels in (True, True):
            said.append(run(on, kernels=kernels, **change, **ask))
    assert [str(w.message).partition(";")[0].removeprefix("rejection ABC: ") for w in heard] == ([warned]
                                                                                                 if warned
                                                                                                 else [])
    with device.kernels(False):
        plain = run(on, kernels=False, **change, **ask)
    for fused in said:
        np.testing.assert_allclose(fused.theta, plain.theta, atol=1e-5)


@ON
def test_another_noise_is_not_that_of_the_device_code(on):
    """A partial application carries no attribute, so that its own argument counts."""
    kept = run(on, simulate=functools.partial(power_law.simulate, noise=0.01), n_simulations=2000,
               epsilon=1e6)
    assert abs(kept.x - kept.theta**-1.5).max() < 0.05
    assert abs(run(on, n_simulations=2000, epsilon=1e6).x - kept.theta**-1.5).max() > 10


@pytest.mark.parametrize(("settings", "message"), [
    (dict(theta_dim=0, x_dim=1), "theta_dim: expected a whole number"),
    (dict(theta_dim=1, x_dim=1.5), "x_dim: expected a whole number"),
    (dict(theta_dim=1, x_dim=1, draws=("standard_normal", 1)),
     "draws: expected pairs of 'random' or 'standard_normal' and a number"),
    (dict(theta_dim=1, x_dim=1, draws=(("poisson", 1),)), "draws: expected pairs"),
    (dict(theta_dim=1, x_dim=1, draws=(("random", 0),)),
     "draws: numbers of a simulation: expected a whole number")])
def test_what_device_code_says_of_itself_is_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        device.kernel_code("", **settings)
