"""Where accel computes: the choice of device and what it says, transfers of trees, the one BLAS thread."""
import ast
import importlib.metadata
import inspect
import sys
import types
from typing import NamedTuple

import numpy as np
import pytest

import accel
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
    version, built for another. A version may be the error that asking for it raises."""
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
    message = r"device: 'cuda' was asked for, but CuPy cannot be imported .*install diptych\[cuda12\]"
    with pytest.raises(RuntimeError, match=message):
        device.module("cuda")
    monkeypatch.setenv("DIPTYCH_DEVICE", "cuda")
    with pytest.raises(RuntimeError, match="DIPTYCH_DEVICE: 'cuda' was asked for"):
        device.module()


@pytest.mark.parametrize(("driver", "reason"), [
    (0, r"CuPy 14\.2\.0 finds no NVIDIA driver$"),
    (12040,
     r"is built for CUDA 13, and the driver knows CUDA 12\.4 at most: "
     r"install diptych\[cuda12\] in its place, or a newer driver"),
    (13010, r"sees no usable GPU \(driver for CUDA 13\.1\)$"), (13000, r"driver for CUDA 13\.0"),
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
    message = r"cannot load NVRTC, .* \(Failure finding libnvrtc.so.13\); install .* diptych\[cuda13-ctk\]"
    with pytest.raises(RuntimeError, match=message):
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
    both = r"cupy-cuda12x 14\.2\.0 and cupy-cuda13x 14\.1\.1 break each other"
    with pytest.raises(RuntimeError, match=f"; {both}: uninstall them all, then"):
        device.module("cuda")
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(RuntimeError, match=f"cannot be imported .*; {both}"):
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
    said = "diptych: computing on the CPU (CuPy 99.1-said-once finds no NVIDIA driver)\n"
    assert capsys.readouterr().err == said


def test_the_array_decides_where_a_function_computes(cp):
    host, there = np.ones(2), cp.ones(2)
    assert device.array_module(host) is np
    assert device.array_module(there) is cp and device.array_module(host, there) is cp
    assert device.array_module() is np and device.array_module(1.0, None, [there]) is np


def test_arrays_on_two_devices_are_refused_by_name(cp):
    host, there = np.ones(2), cp.ones(2)
    device.check_together(params=there, x=there, context=None)
    device.check_together(params=host, x=host, context=None)
    message = "^x: expected an array on the device, where params is, got one on the host; accel.device.put "
    with pytest.raises(ValueError, match=message):
        device.check_together(params=there, x=host)
    message = "^context: expected an array on the host, where params is, got one on the device; "
    with pytest.raises(ValueError, match=message):
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
    assert np.array_equal(back["a"], [0.5, 1.5]) and np.array_equal(back["b"][0], [1, 2])
    assert back["b"][1][0][0]
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


def test_a_frozen_tree_stays_frozen_and_travels_in_one_transfer(cp):
    from tests.strict_cupy import counted
    frozen = trees.frozen({"a": np.arange(4.0).reshape(2, 2), "b": [np.zeros(1), {"c": np.ones(3)}]})
    with counted() as spent:
        there = device.put({"params": frozen}, cp)["params"]
    assert spent["upload"] == 1 and isinstance(there["b"][1]["c"], cp.ndarray)
    for tree in (there, device.to_host(there), device.put(frozen, np, "float32"), device.put(there, np)):
        assert type(tree) is trees.Tree and isinstance(tree["b"], tuple)
        assert np.array_equal(device.to_host(tree["a"]), [[0, 1], [2, 3]])
        with pytest.raises(TypeError, match="frozen"):
            tree["a"] = 0
    assert not device.put(frozen, np, "float32")["a"].flags.writeable
    assert not device.to_host(there)["b"][1]["c"].flags.writeable
    assert device.put(frozen, np) is frozen and device.to_host(frozen) is frozen


def test_an_object_says_itself_what_of_it_travels(cp):
    class Model:
        def __init__(self, params, name):
            self.params, self.name = params, name

        def _moved(self, move):
            return Model(move(self.params), self.name)
    there = device.put([Model({"a": np.ones(2)}, "line")], cp, "float32")[0]
    assert there.name == "line" and isinstance(there.params["a"], cp.ndarray)
    assert there.params["a"].dtype == "float32"
    assert isinstance(device.to_host(there).params["a"], np.ndarray)


def test_single_numbers_of_numpy_travel_too(cp):
    there = device.put({"x": np.float64(1.5), "n": np.int64(2)}, cp, "float32")
    assert there["x"].dtype == np.float32 and there["x"].shape == () and there["n"].dtype == np.int64


def test_like_brings_numbers_arrays_and_trees_to_an_array(cp):
    for xp, dtype in ((np, "float32"), (cp, "float64"), (cp, "float32")):
        array = xp.zeros(3, dtype=dtype)
        number, vector = device.like(array, 0.1), device.like(array, np.arange(2.0))
        tree = device.like(array, {"layers": [np.ones((2, 2)), (np.zeros(1), 3)]})
        assert type(tree["layers"]) is list and type(tree["layers"][1]) is list
        for found in (number, vector, tree["layers"][0], *tree["layers"][1]):
            assert isinstance(found, xp.ndarray) and found.dtype == dtype
        assert number.shape == () and device.to_host(vector).tolist() == [0, 1]
        assert device.like(array, array) is array
    with pytest.raises(TypeError, match="[Ii]mplicit conversion"):
        device.like(np.zeros(1), cp.ones(1))


def test_special_functions_are_those_of_the_arrays_device(cp):
    import scipy.special
    assert device.special(np.zeros(1)) is scipy.special
    assert isinstance(device.special(cp.zeros(1)).ndtr(cp.zeros(1)), cp.ndarray)


# Imports


def test_it_imports_nothing_of_accel():
    imports = [node for node in ast.walk(ast.parse(inspect.getsource(device)))
               if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = [alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in imports if isinstance(node, ast.ImportFrom)]
    assert len(names) > 5 and not [name for name in names if name.partition(".")[0] in ("accel", "")]


def test_generators_keep_the_names_that_they_had_here():
    assert device.generator is accel.generators.generator
    assert device.shared_generator is accel.generators.shared_generator
