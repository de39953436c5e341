// A masked autoregressive flow from data to the Gaussian (density/maf.py), all its transforms in one launch:
// z and log_det, the log-density, or the mean loss of a batch.
//
// A block takes a tile through the whole flow (kernels/maf/forward.cuh), and then the tile that is gridDim.x
// further on.
//
// Bound by: shared-memory loads, two vectors for 16 products; for few samples, by the chain of LAST + 1
// phases for each transform, with a barrier after each. Operations per sample: two for each allowed weight
// (3-50-50-6 with 10 features of context, 5 transforms: 24,180, and 27,680 with the groups filled up; 34,000
// with the masked weights), besides a tanh for each unit and output pair (515). Bytes per sample from and to
// global memory: 4 (2 DIM + CONTEXT + 1) in float32. Bytes per block: the parameters, once if they are
// resident, else once for each tile, out of the second-level cache. Shared memory of that flow: 49 kB for a
// tile of 64, so that three blocks share a multiprocessor.
//
// Limits: up to four hidden layers; one transform with a tile of 8 samples must fit into shared memory
// (kernels/maf/launch.py decides).
// Compiled in the tests with DIM=3 CONTEXT=10 TRANSFORMS=5 HIDDEN_0=50 HIDDEN_1=50 BOUND=7.0 UNITS=4
// Compiled in the tests with TILE=64 PITCH=68 THREADS=256 RESIDENT=0
#include "kernels/maf/forward.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1)
forward(const real* __restrict__ flat, const real* __restrict__ x, const real* __restrict__ context,
        real* __restrict__ z, real* __restrict__ log_det, long long n) {
  typedef Rows<false> R;
  DYN_SHARED(real, rows);
  real* staged = rows + R::value * PITCH;
  stage_all(flat, staged);
  for (long long start = (long long)blockIdx.x * TILE; start < n; start += (long long)gridDim.x * TILE) {
    fetch<false>(x, context, rows, [=](int s) { return row_or_last(start + s, n - 1); });
    forward_tile<false>(flat, staged, rows);
    const real* last = R::x_of(rows, TRANSFORMS);
    for (int task = threadIdx.x; task < TILE * DIM; task += THREADS)
      if (start + task / DIM < n) z[start * DIM + task] = last[task % DIM * PITCH + task / DIM];
    for (int s = threadIdx.x; s < TILE && start + s < n; s += THREADS) {
      real sum = 0;
      for (int i = 0; i < DIM; i++) sum -= rows[(R::log_sigma + i) * PITCH + s];          // made (6)
      log_det[start + s] = sum;
    }
    __syncthreads();
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
log_prob(const real* __restrict__ flat, const real* __restrict__ x, const real* __restrict__ context,
         real* __restrict__ out, long long n) {
  typedef Rows<false> R;
  DYN_SHARED(real, rows);
  real* staged = rows + R::value * PITCH;
  stage_all(flat, staged);
  for (long long start = (long long)blockIdx.x * TILE; start < n; start += (long long)gridDim.x * TILE) {
    fetch<false>(x, context, rows, [=](int s) { return row_or_last(start + s, n - 1); });
    forward_tile<false>(flat, staged, rows);
    for (int s = threadIdx.x; s < TILE && start + s < n; s += THREADS)
      out[start + s] = -minus_log_prob<false>(rows, s);                                   // maf (3)
    __syncthreads();
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
loss(const real* __restrict__ flat, const real* __restrict__ x, const real* __restrict__ context,
     const int* __restrict__ chosen, const int* __restrict__ cursor, int n_steps, int n_batch,
     real* __restrict__ losses) {
  typedef Rows<false> R;
  DYN_SHARED(real, rows);
  real *value = rows + R::value * PITCH, *staged = value + PITCH;
  flat += (long long)blockIdx.y * TRANSFORMS * N_FLAT;
  chosen += ((long long)blockIdx.y * n_steps + cursor[0]) * n_batch;
  stage_all(flat, staged);
  for (int s = threadIdx.x; s < TILE; s += THREADS) value[s] = 0;
  const long long stride = (long long)gridDim.x * TILE;
  for (long long start = (long long)blockIdx.x * TILE; start < n_batch; start += stride) {
    auto row = [=](int s) { return (long long)chosen[row_or_last(start + s, n_batch - 1)]; };
    fetch<false>(x, context, rows, row);
    forward_tile<false>(flat, staged, rows);
    for (int s = threadIdx.x; s < TILE && start + s < n_batch; s += THREADS)
      value[s] += minus_log_prob<false>(rows, s);
    __syncthreads();
  }
  write_loss(value, losses, n_batch);                                                     // maf (5)
}
