"""Every kernel compiles with NVRTC too, CuPy's compiler, which has no headers and refuses host functions.

It needs no GPU, but its library: pip install nvidia-cuda-nvrtc.
"""
import ctypes
import ctypes.util
import functools
import importlib.util
import pathlib

import numpy as np
import pytest

from accel.inference import _prior_columns
from accel.kernels import cuda
from accel.kernels.rejection_abc import launch as abc_kernel
from accel.simulators import gaussian_linear, power_law, two_moons
from tests.kernels.compile import constants, sources


@functools.cache
def nvrtc():
    """The library of the pip package or of the system, or None."""
    package = importlib.util.find_spec("nvidia")
    folders = map(pathlib.Path, package.submodule_search_locations if package else ())
    found = [path for folder in folders for path in folder.rglob("libnvrtc*.so.*")]
    # NVRTC opens the builtins by their name alone: they are loaded first
    for path in sorted(found, key=lambda path: "builtins" not in path.name):
        if ".alt." not in path.name:
            library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    if found:
        return library
    name = ctypes.util.find_library("nvrtc")
    return ctypes.CDLL(name) if name else None


def log_of(source, options):
    """The compiler's messages if it refuses the source, else None."""
    library, program, size = nvrtc(), ctypes.c_void_p(), ctypes.c_size_t()
    text, words = source.encode(), (ctypes.c_char_p * len(options))(*map(str.encode, options))
    assert library.nvrtcCreateProgram(ctypes.byref(program), text, b"kernel.cu", 0, None, None) == 0
    try:
        refused = library.nvrtcCompileProgram(program, len(options), words)
        library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        library.nvrtcGetProgramLog(program, log)
        return log.value.decode() if refused else None
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


pytestmark = [
    pytest.mark.kernels,
    pytest.mark.skipif(nvrtc() is None, reason="NVRTC was not found: pip install nvidia-cuda-nvrtc"),
]


@pytest.mark.parametrize("path", sources())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_compiles_as_cupy_would_compile_it(path, dtype):
    options = ["-arch=compute_90", "--std=c++17", f"-DREAL={cuda.NAMES[dtype]}"]
    options += [f"-D{constant}" for constant in constants(path)]
    log = log_of(cuda.source(path), options)
    assert log is None, log


@pytest.mark.parametrize("simulator", [power_law, two_moons, gaussian_linear])
def test_device_code_of_simulators_compiles_too(simulator):
    calls, _ = _prior_columns.drawn(simulator.prior, np.dtype(float))
    text, values = abc_kernel.program(calls, simulator.simulate.device_code)
    for real in ("float", "double"):
        options = ["-arch=compute_90", "--std=c++17", f"-DREAL={real}"]
        options += [f"-D{name}={value}" for name, value in values.items()]
        log = log_of(cuda.source("kernels/rejection_abc/rejection_abc.cu", text), options)
        assert log is None, log


def test_what_nvcc_would_take_is_refused():
    source = "constexpr int two() { return 2; }\nextern \"C\" __global__ void f(int* x) { x[0] = two(); }"
    assert "host functions are not allowed" in log_of(source, ["-arch=compute_90", "--std=c++17"])
    assert log_of("__device__ " + source, ["-arch=compute_90", "--std=c++17"]) is None
