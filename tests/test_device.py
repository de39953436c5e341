"""Where accel computes: the choice of device and what it says, transfers of trees, generators, and the one
BLAS thread."""
import importlib.metadata
import sys
import types
from typing import NamedTuple

import numpy as np
import pytest

from accel import device
from accel.runtime import tree as trees
from tests.agreement.backends import uses_cuda


class Pair(NamedTuple):
    left: object
    right: object


@pytest.fixture
def cp():
    """The strict stand-in, as the module of device arrays."""
    if uses_cuda():
        pytest.skip("the real CuPy is in this process")
    from tests import strict_cupy
    return strict_cupy.install()


@pytest.fixture
def fake(monkeypatch):
    """A function that puts a module named cupy in place: with a GPU or without, for a driver of some CUDA
    version, built for another; a version may be the error that asking for it raises."""
    monkeypatch.delenv("DIPTYCH_DEVICE", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def put(available=True, driver=13000, version="14.2.0", built_for=12000, nvrtc=(13, 0)):
        def asked(answer):
            def ask():
                if isinstance(answer, Exception):
                    raise answer
                return answer
            return ask
        module = types.ModuleType("cupy")
        module.__version__ = version
        runtime = types.SimpleNamespace(driverGetVersion=asked(driver), runtimeGetVersion=asked(built_for))
        module.cuda = types.SimpleNamespace(is_available=lambda: available, runtime=runtime,
                                            nvrtc=types.SimpleNamespace(getVersion=asked(nvrtc)))
        monkeypatch.setitem(sys.modules, "cupy", module)
        return module
    return put


@pytest.fixture
def no_cupy(monkeypatch):
    """import cupy fails, as where it is not installed."""
    monkeypatch.delenv("DIPTYCH_DEVICE", raising=False)
    monkeypatch.setitem(sys.modules, "cupy", None)


# Which device


def test_cuda_is_taken_where_cupy_sees_a_gpu(fake):
    cupy = fake()
    assert device.module() is cupy and device.module("cuda") is cupy and device.module("cpu") is np


def test_the_variable_is_read_at_call_time(fake, monkeypatch):
    cupy = fake()
    for value, expected in (("cpu", np), ("cuda", cupy), (" CPU ", np), ("", cupy), ("cpu", np)):
        monkeypatch.setenv("DIPTYCH_DEVICE", value)
        assert device.module() is expected, value
    assert device.module("cuda") is cupy, "an argument outranks the variable"


def test_an_unknown_device_is_refused_by_its_source(fake, monkeypatch):
    fake()
    with pytest.raises(ValueError, match="device: expected 'cpu' or 'cuda', got 'gpu'"):
        device.module("gpu")
    with pytest.raises(ValueError, match="device: expected"):
        device.module("")
    monkeypatch.setenv("DIPTYCH_DEVICE", "metal")
    with pytest.raises(ValueError, match="DIPTYCH_DEVICE: expected 'cpu' or 'cuda', got 'metal'"):
        device.module()
    assert device.module("cpu") is np


def test_without_cupy_the_cpu_computes_and_cuda_says_what_to_install(no_cupy, monkeypatch):
    assert device.module() is np and device.module("cpu") is np
    with pytest.raises(
            RuntimeError,
            match=r"device: 'cuda' was asked for, but CuPy cannot be imported .*install diptych\[cuda12\]"):
        device.module("cuda")
    monkeypatch.setenv("DIPTYCH_DEVICE", "cuda")
    with pytest.raises(RuntimeError, match="DIPTYCH_DEVICE: 'cuda' was asked for"):
        device.module()


@pytest.mark.parametrize(("driver", "reason"),
                         [(0, r"CuPy 14\.2\.0 finds no NVIDIA driver$"),
                          (12040, r"is built for CUDA 13, and the driver knows CUDA 12\.4 at most: "
                                  r"install diptych\[cuda12\] in its place, or a newer driver"),
                          (13010, r"sees no usable GPU \(driver for CUDA 13\.1\)$"),
                          (13000, r"driver for CUDA 13\.0"),
                          (RuntimeError("cudaErrorUnknown"), r"cannot ask the driver \(cudaErrorUnknown\)")])
def test_cupy_without_a_gpu_says_why(fake, driver, reason):
    fake(available=False, driver=driver, built_for=13020)
    assert device.module() is np
    with pytest.raises(RuntimeError, match=reason):
        device.module("cuda")


def test_a_gpu_that_is_hidden_is_named(fake, monkeypatch):
    fake(available=False, driver=13000)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(RuntimeError,
                       match=r"sees no usable GPU \(driver for CUDA 13\.0, CUDA_VISIBLE_DEVICES=''\)"):
        device.module("cuda")


def test_a_gpu_without_a_compiler_is_no_use(fake):
    fake(nvrtc=RuntimeError("Failure finding libnvrtc.so.13"), built_for=13000)
    assert device.module() is np
    with pytest.raises(RuntimeError, match=r"cannot load NVRTC, .* \(Failure finding libnvrtc.so.13\); "
                                           r"install .* diptych\[cuda13-ctk\]"):
        device.module("cuda")


@pytest.mark.parametrize("available", [True, False])
def test_two_wheels_are_named_where_cupy_does_not_work(fake, monkeypatch, available):
    found = {"cupy-cuda12x": "14.2.0", "cupy-cuda13x": "14.1.1"}

    def version(name):
        if name not in found:
            raise importlib.metadata.PackageNotFoundError(name)
        return found[name]
    monkeypatch.setattr(importlib.metadata, "version", version)
    cupy = fake(available=available, driver=0)
    if available:
        assert device.module("cuda") is cupy
        return
    both = r"; cupy-cuda12x 14\.2\.0 and cupy-cuda13x 14\.1\.1 break each other: uninstall them all, then"
    with pytest.raises(RuntimeError, match=both):
        device.module("cuda")
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(
            RuntimeError,
            match=r"cannot be imported .*; cupy-cuda12x 14\.2\.0 and cupy-cuda13x 14\.1\.1 break each other"):
        device.module("cuda")


def test_a_cupy_that_does_not_load_is_as_good_as_none(monkeypatch, tmp_path):
    (tmp_path / "cupy.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.delenv("DIPTYCH_DEVICE", raising=False)
    assert device.module() is np
    with pytest.raises(RuntimeError, match="libcudart"):
        device.module("cuda")


def test_where_it_computes_is_said_once(fake, capsys):
    fake(version="99.0-said-once")
    for _ in range(3):
        device.module()
    assert capsys.readouterr().err == "diptych: computing on CUDA through CuPy 99.0-said-once\n"
    fake(available=False, driver=0, version="99.1-said-once")
    for _ in range(3):
        device.module()
    device.module("cpu")
    assert (capsys.readouterr().err
            == "diptych: computing on the CPU (CuPy 99.1-said-once finds no NVIDIA driver)\n")


def test_the_array_decides_where_a_function_computes(cp):
    host, there = np.ones(2), cp.ones(2)
    assert device.array_module(host) is np and device.array_module(there) is cp
    assert device.array_module(host, there) is cp
    assert device.array_module() is np and device.array_module(1.0, None, [there]) is np


def test_arrays_on_two_devices_are_refused_by_name(cp):
    host, there = np.ones(2), cp.ones(2)
    device.check_together(params=there, x=there, context=None)
    device.check_together(params=host, x=host, context=None)
    with pytest.raises(ValueError,
                       match="^x: expected an array on the device, where params is, got one on the host; "
                       "accel.device.put "):
        device.check_together(params=there, x=host)
    with pytest.raises(
            ValueError,
            match="^context: expected an array on the host, where params is, got one on the device; "):
        device.check_together(params=host, x=host, context=there)


# Transfers


def everything(xp):
    """A tree of all that travels, with its arrays on xp."""
    return {"a": xp.asarray([0.5, 1.5]), "b": [xp.asarray([1, 2]), (xp.asarray([True]), "words", 3, None)],
            "pair": Pair(xp.asarray(2.5), {"deep": 1.0})}


def test_a_tree_travels_to_the_device_and_back(cp):
    there = device.put(everything(np), cp, "float32")
    assert isinstance(there["pair"], Pair) and isinstance(there["b"][1], tuple)
    assert there["b"][1][1:] == ("words", 3, None)
    for array, dtype in ((there["a"], "float32"), (there["b"][0], "int64"), (there["b"][1][0], "bool"),
                         (there["pair"].left, "float32")):
        assert isinstance(array, cp.ndarray) and array.dtype == dtype, "only floats take the dtype"
    back = device.to_host(there)
    assert isinstance(back["pair"], Pair) and back["pair"].left == 2.5 and back["pair"].right == {"deep": 1.0}
    assert np.array_equal(back["a"], [0.5, 1.5])
    assert np.array_equal(back["b"][0], [1, 2]) and back["b"][1][0][0]
    assert device.put(there, np, "float64")["a"].dtype == np.float64


def test_what_is_there_already_is_not_copied(cp):
    host, there = everything(np), everything(cp)
    assert device.to_host(host)["a"] is host["a"] and device.put(host, np)["a"] is host["a"]
    assert device.put(host, np, "float64")["a"] is host["a"] and device.put(there, cp)["a"] is there["a"]


def test_one_upload_per_array_and_no_wait(cp):
    from tests.strict_cupy import counted
    with counted() as spent:
        device.put(everything(np), cp, "float32")
    assert spent["upload"] == 4 and spent["sync"] == 0


def test_a_packed_tree_travels_as_a_plain_one(cp):
    packed = trees.packed({"a": np.ones((2, 2)), "b": [np.zeros(1)]})
    assert type(device.to_host(packed)) is dict and isinstance(device.put(packed, cp)["a"], cp.ndarray)


def test_single_numbers_of_numpy_travel_too(cp):
    there = device.put({"x": np.float64(1.5), "n": np.int64(2)}, cp, "float32")
    assert there["x"].dtype == np.float32 and there["x"].shape == () and there["n"].dtype == np.int64


# Generators


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_shared_generator_gives_numpys_draws(cp, dtype):
    for xp in (np, cp):
        ours, theirs = device.shared_generator(np.random.default_rng(3), xp, dtype), np.random.default_rng(3)
        for ask in (lambda rng: rng.random((2, 3)), lambda rng: rng.standard_normal(4),
                    lambda rng: rng.integers(0, 9, size=(5,)), lambda rng: rng.random(),
                    lambda rng: rng.standard_normal((0, 2)), lambda rng: rng.integers(7, size=2)):
            drawn, expected = ask(ours), np.asarray(ask(theirs))
            assert isinstance(drawn, xp.ndarray) and drawn.shape == expected.shape
            assert drawn.dtype == (dtype if expected.dtype.kind == "f" else expected.dtype)
            assert np.array_equal(device.to_host(drawn), expected.astype(drawn.dtype))


def test_a_shared_generator_delivers_a_single_integer_as_numpy_does():
    assert (device.shared_generator(np.random.default_rng(3), np).integers(0, 9)
            == np.random.default_rng(3).integers(0, 9))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_generator_draws_on_its_device_in_its_dtype(cp, dtype):
    for xp in (np, cp):
        rng = device.generator(5, xp, dtype)
        normal, uniform = rng.standard_normal((2000,)), rng.random((2000, 1))
        whole = rng.integers(0, 4, size=(2000,))
        assert all(isinstance(drawn, xp.ndarray) for drawn in (normal, uniform, whole))
        assert normal.dtype == uniform.dtype == dtype
        assert uniform.shape == (2000, 1) and whole.dtype == np.int64
        assert abs(float(normal.mean())) < 4 / 2000**0.5
        assert abs(float(uniform.mean()) - 0.5) < 4 * (1 / 12 / 2000) ** 0.5
        assert sorted(set(whole.tolist())) == [0, 1, 2, 3]
        again = device.generator(5, xp, dtype).standard_normal((2000,))
        assert np.array_equal(device.to_host(again), device.to_host(normal))


def test_draws_on_the_device_need_no_transfer(cp):
    from tests.strict_cupy import counted
    rng = device.generator(5, cp, "float32")
    with counted() as spent:
        rng.standard_normal(100), rng.random(100), rng.integers(0, 4, size=100)
    assert spent["upload"] == spent["sync"] == 0


def test_every_generator_tells_its_state_and_can_be_set_back(cp):
    host = np.random.default_rng(3)
    assert device.shared_generator(host, cp).bit_generator is host.bit_generator
    for xp in (np, cp):
        rng = device.generator(3, xp, "float32")
        rng.random(5)
        state = rng.bit_generator.state
        expected = device.to_host(rng.standard_normal(7))
        again = device.generator(4, xp, "float32")
        again.bit_generator.state = state
        assert np.array_equal(device.to_host(again.standard_normal(7)), expected)


# One BLAS thread


def blas_threads():
    from threadpoolctl import threadpool_info
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_a_block_computes_on_one_blas_thread_and_gives_the_others_back():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with device.single_blas_thread():
            inside = blas_threads()
        assert before and set(inside) == {1} and blas_threads() == before
        with pytest.raises(ZeroDivisionError):
            with device.single_blas_thread():
                1 / 0  # noqa: B018
        assert blas_threads() == before


def test_without_threadpoolctl_the_block_changes_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with device.single_blas_thread():
        assert np.ones((2, 2)).sum() == 4
