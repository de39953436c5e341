"""cupy.RawModule on the CPU: CUDA C++ compiled by g++ through cuda_cpu.h, each launch held to what a GPU
would refuse or misread.

CuPy passes what it is given: a float64 array where the kernel reads float, or a Python int where it reads
int, is nonsense without an error. Here the arguments are held against the kernel's signature: types,
contiguity, the device; and a launch against the limits of a block. A launch is recorded while a stream
captures, and counted, with the bytes of the arrays that it was given.

The first launches of a kernel with a grid are run twice, threads and blocks in opposite orders: if the
results differ in a bit, a barrier is missing, blocks depend on one another, or sums are taken as they come.
The second run has copies of the arrays, each of which ends where memory must not be touched: who reads or
writes behind an array's end ends the process there.
"""
import ctypes
import hashlib
import mmap
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading

import numpy as np

from tests.strict_cupy.capture import device
from tests.strict_cupy.manifest import StrictError
from tests.strict_cupy.ndarray import ndarray

__all__ = ["COMPILER", "RawModule"]

COMPILER = shutil.which("g++")
HEADER = pathlib.Path(__file__).with_name("cuda_cpu.h")
# of a block: threads; bytes without and with asking
THREADS, SHARED, SHARED_OPTIN = 1024, 48 << 10, 227 << 10
ONE_AT_A_TIME = threading.Lock()  # shared memory is static in the compiled library
TWICE = 2  # launches of each size that are run in both orders
TYPES = {"float": ("f4", ctypes.c_float), "double": ("f8", ctypes.c_double), "int": ("i4", ctypes.c_int),
         "bool": ("?", ctypes.c_bool), "unsigned": ("u4", ctypes.c_uint),
         "unsigned int": ("u4", ctypes.c_uint), "long long": ("i8", ctypes.c_longlong),
         "unsigned long long": ("u8", ctypes.c_ulonglong), "unsigned char": ("u1", ctypes.c_ubyte)}
ENTRY = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\(([^)]*)\)')


class RawModule:
    """The kernels of one source."""

    def __init__(self, *, code=None, path=None, options=(), backend="nvrtc", translate_cucomplex=False,
                 enable_cooperative_groups=False, name_expressions=None, jitify=False):
        if code is None or backend != "nvrtc" or name_expressions or jitify or enable_cooperative_groups:
            raise NotImplementedError("the stand-in compiles C entry points from source")
        self._code, self._options = code, tuple(options)
        aliases = {"real": next((option.partition("=")[2]
                                 for option in options if option.startswith("-DREAL=")), "real")}
        self._signatures = {name: [_parameter(text, aliases) for text in text.split(",")]
                            for name, text in ENTRY.findall(code)}
        self._library = None

    def get_function(self, name):
        if name not in self._signatures:
            raise RuntimeError(f"CUDA_ERROR_NOT_FOUND: named symbol not found: {name}")
        return Function(self, name, self._signatures[name])

    def compile(self, log_stream=None):
        if self._library is None:
            launchers = "".join(
                f'extern "C" void launch_{name}(unsigned* g, unsigned* b, size_t n, void** a) '
                f'{{ simulated::launch({name}, dim3(g[0], g[1], g[2]), dim3(b[0], b[1], b[2]), n, a); }}\n'
                for name in self._signatures)
            launchers += 'extern "C" void run_backwards(int yes) { simulated::backwards = yes; }\n'
            text = f'#include "{HEADER}"\n#line 1 "kernel.cu"\n{self._code}\n{launchers}'
            self._library = ctypes.CDLL(str(_compiled(text, self._options)))
        return self._library


class Function:
    """One kernel, to be launched as function(grid, block, args, shared_mem=bytes)."""

    def __init__(self, module, name, signature):
        self._module, self.name, self._signature = module, name, signature
        self._shared, self._launches = SHARED, {}

    @property
    def max_dynamic_shared_size_bytes(self):
        return self._shared

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, n):
        if n > SHARED_OPTIN:
            raise RuntimeError(
                f"CUDA_ERROR_INVALID_VALUE: {n} bytes of shared memory, a block has {SHARED_OPTIN} at most")
        self._shared = n

    def __call__(self, grid, block, args, *, shared_mem=0, stream=None):
        self._check_launch(grid, block, shared_mem)
        if len(args) != len(self._signature):
            raise StrictError(f"{self.name}: expected {len(self._signature)} arguments, got {len(args)}")
        values = [self._check(place, *expected, value)
                  for place, (expected, value) in enumerate(zip(self._signature, args))]
        written = [value._buffer
                   for (_, pointer, const), value in zip(self._signature, args) if pointer and not const]
        run = getattr(self._module.compile(), f"launch_{self.name}")
        sizes = [(ctypes.c_uint * 3)(*size, *(1,) * (3 - len(size))) for size in (grid, block)]

        def start(values):
            pointers = (ctypes.c_void_p * len(values))(*(ctypes.cast(ctypes.byref(value), ctypes.c_void_p)
                                                         for value in values))
            run(*sizes, ctypes.c_size_t(shared_mem), pointers)

        def compute():
            with ONE_AT_A_TIME:
                both_orders()

        def both_orders():
            copies = self._fenced(args) if self._is_new(grid, block) else None
            start(values)
            if copies is not None:
                self._module.compile().run_backwards(1)
                start([value if copy is None else ctypes.c_void_p(copy.ctypes.data)
                       for value, copy in zip(values, copies)])
                self._module.compile().run_backwards(0)
                if any(copy is not None and copy.tobytes() != arg._buffer.tobytes()
                       for arg, copy in zip(args, copies)):
                    raise StrictError(f"{self.name}: the result depends on the order of threads and blocks")
        device.counts["kernel"] += 1
        device.counts["bytes"] += sum(value.nbytes for value in args if isinstance(value, ndarray))
        device.launch(compute, targets=written)

    def _is_new(self, grid, block):
        """Whether this is one of the first launches of that size."""
        count = self._launches[grid, block] = self._launches.get((grid, block), 0) + 1
        return count <= TWICE

    def _fenced(self, args):
        """Fenced copies of the arrays, None for a number; None where arrays share memory, which copies would
        not."""
        buffers = [arg._buffer if isinstance(arg, ndarray) else None for arg in args]
        arrays = [buffer for buffer in buffers if buffer is not None]
        if any(np.may_share_memory(one, other) for k, one in enumerate(arrays) for other in arrays[:k]):
            return None
        return [None if buffer is None else fenced(buffer) for buffer in buffers]

    def _check_launch(self, grid, block, shared):
        if not 0 < int(np.prod(block)) <= THREADS or not all(size > 0
                                                             for size in grid) or max((*grid[1:], 1)) > 65535:
            raise RuntimeError(f"CUDA_ERROR_INVALID_VALUE: {self.name}: grid {grid}, block {block}")
        if shared > self._shared:
            raise RuntimeError(
                f"CUDA_ERROR_INVALID_VALUE: {self.name}: {shared} bytes of shared memory, {self._shared} "
                "were asked for")

    def _check(self, place, dtype, pointer, const, value):
        what = f"{self.name}: argument {place}"
        code, kind = TYPES[dtype]
        if pointer:
            if not isinstance(value, ndarray):
                raise StrictError(f"{what}: expected a device array, got {type(value).__name__}")
            if value.dtype != code or not value.flags.c_contiguous:
                raise StrictError(f"{what}: the kernel reads {dtype}, contiguous; got {value.dtype}, strides "
                                  f"{value.strides}")
            return ctypes.c_void_p(value._buffer.ctypes.data)
        if not isinstance(value, np.generic) or value.dtype != code:
            raise StrictError(
                f"{what}: the kernel reads {dtype}, got {getattr(value, 'dtype', type(value).__name__)}")
        return kind(value.item())


def fenced(buffer):
    """A copy that ends, but for what aligns it to 16 bytes, at a page that may not be touched."""
    n_bytes = -(-buffer.nbytes // 16) * 16
    whole = -(-n_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
    region = mmap.mmap(-1, whole + mmap.PAGESIZE)
    place = np.frombuffer(region, np.uint8)
    if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(place.ctypes.data + whole),
                                                  ctypes.c_size_t(mmap.PAGESIZE), 0):
        raise OSError(ctypes.get_errno(), "mprotect")
    copy = place[whole - n_bytes:whole - n_bytes + buffer.nbytes].view(buffer.dtype).reshape(buffer.shape)
    np.copyto(copy, buffer)
    return copy


def _parameter(text, aliases):
    """(type, whether a pointer, whether const) of one parameter."""
    words = text.replace("__restrict__", " ").replace("*", " * ").split()
    const, pointer = "const" in words, "*" in words
    dtype = " ".join(word for word in words[:-1] if word not in ("const", "*"))
    dtype = aliases.get(dtype, dtype)
    if dtype not in TYPES:
        raise StrictError(f"the stand-in does not know the parameter type {text.strip()!r}")
    return dtype, pointer, const


def _compiled(text, options):
    """The shared library of the source, compiled once and kept in a folder for temporary files."""
    if COMPILER is None:
        raise RuntimeError("kernels run on the CPU through g++, which was not found")
    flags = ["-std=c++20", "-O1", "-shared", "-fPIC", "-w",
             *(option for option in options if option.startswith("-D"))]
    key = hashlib.sha256("\0".join([text, HEADER.read_text(), *flags]).encode()).hexdigest()[:24]
    folder = pathlib.Path(tempfile.gettempdir()) / f"diptych-kernels-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as place:
            made, written = pathlib.Path(place) / "k.so", pathlib.Path(place) / "k.cpp"
            written.write_text(text)
            finished = subprocess.run([COMPILER, *flags, "-o", made, written], capture_output=True, text=True)
            if finished.returncode:
                raise RuntimeError(f"the kernel does not compile:\n{finished.stderr}")
            made.replace(library)
    return library
