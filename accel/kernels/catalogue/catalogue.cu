// Mean, covariance and quantiles of the draws of many objects, (2)–(4) of inference/catalogue.py.
//
// A block has one object: its draws, (n, DIM), are read once, coalesced, and are in shared memory column by
// column, each padded with infinities to PADDED, a power of two. A warp sums a column, or the product of two,
// lane by lane and then over the lanes, always in the same order; then all columns are sorted at once by a
// bitonic network, and quantiles are read off. Exchanges over at most 32 places stay within a warp, which
// then need not wait for others.
//
// Work for one object: n DIM numbers read, DIM log₂²(PADDED)/4 · PADDED exchanges of four accesses to shared
// memory each; n = 1000 and DIM = 12 make 48 KB read and 340 thousand exchanges. Shared memory bounds it.
// Shared: DIM (PADDED + 3) numbers, 49 KB in float32 for 1000 draws of 12 parameters.
// Limits: what fits shared memory, such as 4096 draws of 12 parameters in float32, or 2048 in float64.
// Macros: DIM columns, PADDED draws, THREADS of a block.
// Compiled in the tests with DIM=12 PADDED=1024 THREADS=256
#include "kernels/common/real.cuh"

constexpr int WARPS = THREADS / 32, HALF = PADDED / 2;
constexpr int STRIDE = PADDED + 1;                                    // odd: columns in different banks

__device__ inline real warp_sum(real v) {
  for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(~0u, v, d);
  return v;
}

extern "C" __global__ void __launch_bounds__(THREADS)
summarise(const real* theta, const int* below, const real* weight, real* mean, real* covariance,
          real* quantiles, int n, int n_quantiles, real infinity) {
  DYN_SHARED(real, columns);                                          // [DIM][STRIDE]
  real* centre = columns + DIM * STRIDE;                              // [DIM]
  real* no_number = centre + DIM;                                     // [DIM], whether a column has a NaN
  long long object = blockIdx.x;
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const real* draws = theta + object * n * DIM;
  for (int i = threadIdx.x; i < PADDED * DIM; i += THREADS)
    columns[i % DIM * STRIDE + i / DIM] = i < n * DIM ? draws[i] : infinity;
  __syncthreads();

  for (int p = warp; p < DIM; p += WARPS) {                           // (2)
    real sum = 0, bad = 0;
    for (int s = lane; s < n; s += 32) {
      real v = columns[p * STRIDE + s];
      sum += v;
      if (isnan(v)) bad = 1;
    }
    sum = warp_sum(sum) / n;
    bad = warp_sum(bad);
    if (lane == 0) {
      mean[object * DIM + p] = centre[p] = sum;
      no_number[p] = bad;
    }
  }
  __syncthreads();

  for (int pair = warp; pair < DIM * (DIM + 1) / 2; pair += WARPS) {  // (3), the upper triangle row by row
    int p = 0, q = pair;
    while (q >= DIM - p) q -= DIM - p++;
    q += p;
    real sum = 0, m = centre[p], o = centre[q];
    for (int s = lane; s < n; s += 32) sum += (columns[p * STRIDE + s] - m) * (columns[q * STRIDE + s] - o);
    sum = warp_sum(sum) / (n - 1);
    if (lane == 0) {
      covariance[(object * DIM + p) * DIM + q] = sum;
      covariance[(object * DIM + q) * DIM + p] = sum;
    }
  }
  __syncthreads();

  for (int k = 2; k <= PADDED; k *= 2) {                        // runs of k, ascending and descending in turn
    for (int j = k / 2; j > 0; j /= 2) {
      for (int t = threadIdx.x; t < DIM * HALF; t += THREADS) {
        int i = t % HALF, at = 2 * i - i % j;
        real* low = columns + t / HALF * STRIDE + at;
        real a = low[0], b = low[j];
        if ((a > b) == ((at & k) == 0)) {
          low[0] = b;
          low[j] = a;
        }
      }
      if (j <= 32 && (j > 1 || k <= 32)) __syncwarp();                // both steps stay within a warp
      else __syncthreads();
    }
  }
  __syncthreads();

  for (int t = threadIdx.x; t < n_quantiles * DIM; t += THREADS) {    // (4)
    int p = t % DIM, k = below[t / DIM];
    real w = weight[t / DIM], a = columns[p * STRIDE + k], b = columns[p * STRIDE + min(k + 1, n - 1)];
    real value = w < real(0.5) ? a + (b - a) * w : b - (b - a) * (real(1) - w);
    quantiles[object * n_quantiles * DIM + t] = no_number[p] > real(0) ? centre[p] : value;
  }
}
