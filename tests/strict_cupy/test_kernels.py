"""The stand-in for RawModule: kernels do on the CPU what CUDA says they do, and what a GPU would misread is
refused."""
import subprocess
import sys

import numpy as np
import pytest

from tests import strict_cupy

cp = strict_cupy.install()
pytestmark = [
    pytest.mark.kernels,
    pytest.mark.skipif(strict_cupy.COMPILER is None, reason="kernels run on the CPU through g++"),
]

SOURCE = r'''
typedef REAL real;
extern "C" __global__ void axpy(const real* x, real* y, real a, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] += a * x[i];
}
extern "C" __global__ void __launch_bounds__(128) total(const real* __restrict__ x, real* out, int n) {
  DYN_SHARED(real, sums);
  real sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[i];
  for (int o = 16; o; o >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, o);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) for (unsigned w = 1; w < blockDim.x / 32; w++) sums[0] += sums[w];
  __syncthreads();
  if (threadIdx.x == 1) out[blockIdx.x] = sums[0];
}
extern "C" __global__ void reversed(const int* x, int* y) {
  __shared__ int tile[64];
  tile[threadIdx.x] = x[blockIdx.x * 64 + threadIdx.x];
  __syncthreads();
  y[blockIdx.x * 64 + threadIdx.x] = tile[63 - threadIdx.x];
}
extern "C" __global__ void votes(unsigned* out) {
  out[threadIdx.x] = __ballot_sync(0xffffffffu, threadIdx.x % 3 == 0);
}
extern "C" __global__ void poisoned(real* out) { DYN_SHARED(real, s); out[threadIdx.x] = s[threadIdx.x]; }
extern "C" __global__ void racing(const int* x, int* y) {
  __shared__ int tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = tile[threadIdx.x / 2];
}
extern "C" __global__ void passing_on(int* y) { if (threadIdx.x == 0) y[blockIdx.x + 1] = y[blockIdx.x] + 1; }
extern "C" __global__ void as_they_come(const real* x, real* sum) { atomicAdd(sum, x[threadIdx.x]); }
extern "C" __global__ void one_too_far(const real* x, real* y) { y[threadIdx.x] = x[threadIdx.x + 4]; }
extern "C" __global__ void beyond_shared(real* y) { DYN_SHARED(real, s); y[threadIdx.x] = s[threadIdx.x]; }
extern "C" __global__ void divergent(real* out) { if (threadIdx.x < 10) __syncthreads(); out[0] = 1; }
'''


def kernel(name, real="float"):
    return cp.RawModule(code=SOURCE, options=("--std=c++17", f"-DREAL={real}")).get_function(name)


@pytest.mark.parametrize(("real", "dtype"), [("float", np.float32), ("double", np.float64)])
def test_elementwise(real, dtype):
    x, y = np.arange(300, dtype=dtype), np.linspace(0, 1, 300, dtype=dtype)
    out = cp.asarray(y)
    kernel("axpy", real)((3,), (128,), (cp.asarray(x), out, dtype(0.5), np.int32(300)))
    np.testing.assert_array_equal(out.get(), y + dtype(0.5) * x)


def test_shuffles_barriers_and_dynamic_shared_memory():
    x, out = np.random.default_rng(0).random(1000), cp.zeros(2)
    kernel("total", "double")((2,), (128,), (cp.asarray(x), out, np.int32(1000)), shared_mem=32)
    np.testing.assert_allclose(out.get(), x.sum(), rtol=1e-14)


def test_static_shared_memory_belongs_to_a_block():
    x, y = np.arange(192, dtype=np.int32), cp.zeros(192, np.int32)
    kernel("reversed")((3,), (64,), (cp.asarray(x), y))
    np.testing.assert_array_equal(y.get(), x.reshape(3, 64)[:, ::-1].ravel())


def test_a_vote_is_of_one_warp():
    out = cp.zeros(64, np.uint32)
    kernel("votes")((1,), (64,), (out,))
    expected = [sum(1 << i for i in range(32) if (first + i) % 3 == 0) for first in (0, 32)]
    np.testing.assert_array_equal(out.get(), np.repeat(expected, 32))


def test_shared_memory_that_nobody_wrote_is_not_a_number():
    out = cp.zeros(8)
    kernel("poisoned", "double")((1,), (8,), (out,), shared_mem=64)
    assert np.isnan(out.get()).all()


@pytest.mark.parametrize(("change", "message"), [
    ({0: np.zeros(8, np.float32)}, "expected a device array, got ndarray"),
    ({1: cp.zeros(8)}, "reads float, contiguous; got float64"),
    ({0: cp.zeros((8, 2), np.float32)[:, 0]}, "contiguous; got float32, strides"),
    ({2: 0.5}, "reads float, got float"),
    ({2: np.float64(0.5)}, "reads float, got float64"),
    ({3: 8}, "reads int, got int"),
    ({3: np.int64(8)}, "reads int, got int64"),
])
def test_what_a_gpu_would_misread_is_refused(change, message):
    args = {0: cp.zeros(8, np.float32), 1: cp.zeros(8, np.float32), 2: np.float32(1), 3: np.int32(8)} | change
    with pytest.raises(strict_cupy.StrictError, match=message):
        kernel("axpy")((1,), (8,), tuple(args.values()))


@pytest.mark.parametrize(("name", "args"),
                         [("racing", lambda: (cp.arange(64, dtype=np.int32), cp.zeros(64, np.int32))),
                          ("passing_on", lambda: (cp.zeros(9, np.int32),)),
                          ("as_they_come",
                           lambda: (cp.asarray(np.random.default_rng(0).random(64, np.float32)),
                                    cp.zeros(1, np.float32)))])
def test_a_result_that_depends_on_who_comes_first_is_refused(name, args):
    grid = 8 if name == "passing_on" else 1
    with pytest.raises(strict_cupy.StrictError, match="depends on the order"):
        kernel(name)((grid,), (64,), args())


def test_the_limits_of_a_launch():
    args = (cp.zeros(8), cp.zeros(1), np.int32(8))
    with pytest.raises(strict_cupy.StrictError, match="expected 3 arguments, got 2"):
        kernel("total", "double")((1,), (32,), args[:2])
    for grid, block in [((1,), (2048,)), ((0,), (32,)), ((1, 70000), (32,))]:
        with pytest.raises(RuntimeError, match="INVALID_VALUE"):
            kernel("total", "double")(grid, block, args, shared_mem=8)
    big = kernel("total", "double")
    with pytest.raises(RuntimeError, match="50000 bytes of shared memory, 49152 were asked for"):
        big((1,), (32,), args, shared_mem=50_000)
    big.max_dynamic_shared_size_bytes = 50_000
    big((1,), (32,), args, shared_mem=50_000)
    with pytest.raises(RuntimeError, match="232448 at most"):
        big.max_dynamic_shared_size_bytes = 300_000
    with pytest.raises(RuntimeError, match="not found: nothing"):
        kernel("nothing")


def test_a_captured_launch_runs_when_the_graph_does():
    x, y, stream = cp.ones(8), cp.zeros(8), cp.cuda.Stream(non_blocking=True)
    axpy = kernel("axpy", "double")
    with stream:
        stream.begin_capture()
        axpy((1,), (8,), (x, y, np.float64(2), np.int32(8)))
        graph = stream.end_capture()
        assert y.get().tolist() == [0.0] * 8
        for _ in range(3):
            graph.launch(stream)
    assert y.get().tolist() == [6.0] * 8


def test_launches_and_bytes_are_counted():
    x, y = cp.ones(8), cp.zeros(8)
    with strict_cupy.counted() as spent:
        kernel("axpy", "double")((1,), (8,), (x, y, np.float64(2), np.int32(8)))
    assert spent == {"launch": 1, "sync": 0, "upload": 0, "upcast": 0, "kernel": 1, "bytes": 128}


@pytest.mark.parametrize(
    ("launch", "message"),
    [("t.kernel('divergent')((1,), (32,), (t.cp.zeros(1, np.float32),))",
      "a thread ended before a __syncthreads"),
     ("t.kernel('one_too_far')((1,), (32,), (t.cp.zeros(32, np.float32), t.cp.zeros(32, np.float32)))",
      "Segmentation fault"),
     ("t.kernel('beyond_shared')((1,), (32,), (t.cp.zeros(32, np.float32),), shared_mem=64)",
      "Segmentation fault")])
def test_a_missed_barrier_and_a_step_too_far_end_the_process(launch, message):
    code = (
        "import faulthandler; faulthandler.enable(); from tests.strict_cupy import test_kernels as t; import "
        f"numpy as np\n{launch}")
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert finished.returncode and message in finished.stderr
