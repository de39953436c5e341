// The score s(x, σ) = −a² x + g F(a x, e(σ)) of generative/score_matching.py, at one σ for all rows or one for each.
//
// `pack` lays the flat parameters out as network.cuh reads them, in a launch of its own; a block of `score` then takes one tile of rows
// after another, the weights in its shared memory, and writes D numbers for each row.
//
// Work for each row of (D + 8)-H-H-D: H (H + 2 D + 8) multiply-adds and 2 H tanh, 17,900 and 256 for 10-128-128-2: a million rows take
// 3.6e10 floating-point operations, and 16 MB are read and written: arithmetic bounds it by far.
// Limits: layers whose columns fit in shared memory (`fit` of network.py).
//
// Compiled in the tests with DIM=2 LAYERS=3 H1=128 H2=128 TILE=64 STAGED=1
#define INPUTS (DIM + TOLD)
#include "kernels/score/network.cuh"

extern "C" __global__ void pack(const real* __restrict__ flat, real* __restrict__ packed) {
  int place = blockIdx.x * blockDim.x + threadIdx.x;
  if (place >= packed_at(LAYERS)) return;
  int k = 0;
  while (k < LAYERS - 1 && place >= packed_at(k + 1)) k++;
  int i = place - packed_at(k), stride = padded(k < LAYERS - 1 ? width(k + 1) : width(LAYERS - 1));
  if (k < LAYERS - 1) {
    int row = i / stride, unit = i % stride;
    packed[place] = unit < width(k + 1) ? flat[offset(k) + row * width(k + 1) + unit] : real(0);
  } else if (i < padded(DIM)) {
    packed[place] = i < DIM ? flat[offset(k) + i] : real(0);
  } else {                                                            // the last layer, turned
    int d = (i - padded(DIM)) / stride, unit = (i - padded(DIM)) % stride;
    packed[place] = unit < width(k) ? flat[offset(k) + (1 + unit) * DIM + d] : real(0);
  }
}

extern "C" __global__ void __launch_bounds__(BLOCK, 1) score(
    const real* __restrict__ packed, const real* __restrict__ x, const real* __restrict__ sigma, const real* __restrict__ spread,
    const real* __restrict__ tau2, real* __restrict__ out, int n, int n_sigma) {
  DYN_SHARED(real, memory);
  real *fed = memory + (STAGED ? packed_at(LAYERS) : 0), *stored = fed + INPUTS * TILE, *level = stored + stored_rows() * TILE;
  real *a = level + TILE, *gain = a + DIM * TILE;
  const real* weights = staged(packed, memory);
  const Place at;
  for (long long first = (long long)blockIdx.x * TILE; first < n; first += (long long)gridDim.x * TILE) {
    for (int s = threadIdx.x; s < TILE; s += BLOCK) level[s] = first + s < n ? sigma[n_sigma == 1 ? 0 : first + s] : real(1);
    __syncthreads();
    for (int task = threadIdx.x; task < DIM * TILE; task += BLOCK) {
      int d = task / TILE, s = task % TILE;
      real k = spread[d];
      a[task] = 1 / sqrt(k * k + level[s] * level[s]);
      gain[task] = k * a[task] * sqrt(a[task] / level[s]);
      fed[task] = first + s < n ? a[task] * x[(first + s) * DIM + d] : real(0);
    }
    for (int task = threadIdx.x; task < TOLD * TILE; task += BLOCK) {
      real t = tau2[task / TILE], l = level[task % TILE];
      fed[DIM * TILE + task] = 1 - 2 * t / (l * l + t);
    }
    __syncthreads();
    evaluate<0>(weights, fed, stored, at);
    for (int task = threadIdx.x; task < DIM * TILE; task += BLOCK) {
      int s = task / DIM, d = task % DIM;    // neighbours in memory
      if (first + s < n)
        out[(first + s) * DIM + d] = gain[d * TILE + s] * output(weights, stored, d, s) - a[d * TILE + s] * fed[d * TILE + s];
    }
    __syncthreads();
  }
}
