// The score s(x, σ) = −a² x + g F(a x, e(σ)) of generative/score_network.py, at one σ for all rows or one for
// each. Formula numbers are those of that page.
//
// `pack` lays the flat parameters out as score_network.cuh reads them, in a launch of its own. A block of
// `score` then takes one tile of rows after another, the weights in its shared memory, and writes D numbers
// for each row.
//
// Work for each row of (D + T)-H-H-D: H (H + 2 D + T) multiply-adds and 2 H tanh, 17,900 and 256 for
// 10-128-128-2: a million rows take 3.6e10 floating-point operations, and 16 MB are read and written:
// arithmetic bounds it by far.
// Limits: layers whose columns fit in shared memory (`plan` of layout.py).
//
// Compiled in the tests with DIM=2 INPUTS=10 HIDDEN=128,128 TILE=64 STAGED=1 UNITS=8 LANES=8
#include "kernels/score/score_network.cuh"

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
  } else {                                                            // the last layer, transposed
    int d = (i - padded(DIM)) / stride, unit = (i - padded(DIM)) % stride;
    packed[place] = unit < width(k) ? flat[offset(k) + (1 + unit) * DIM + d] : real(0);
  }
}

extern "C" __global__ void __launch_bounds__(BLOCK, 1) score(
    const real* __restrict__ packed, const real* __restrict__ x, const real* __restrict__ sigma,
    const real* __restrict__ spread, const real* __restrict__ tau2, real* __restrict__ out, int n,
    int n_sigma) {
  DYN_SHARED(real, memory);
  real *fed = memory + (STAGED ? packed_at(LAYERS) : 0), *stored = fed + INPUTS * TILE;
  real *level = stored + stored_rows() * TILE, *a = level + TILE, *gain = a + DIM * TILE;
  const real* weights = staged(packed, memory);
  const Place at;
  for (long long first = (long long)blockIdx.x * TILE; first < n; first += (long long)gridDim.x * TILE) {
    for (int s = threadIdx.x; s < TILE; s += BLOCK)
      level[s] = first + s < n ? sigma[n_sigma == 1 ? 0 : first + s] : real(1);
    __syncthreads();
    for (int task = threadIdx.x; task < DIM * TILE; task += BLOCK) {
      int d = task / TILE, s = task % TILE;
      real k = spread[d];
      a[task] = 1 / sqrt(k * k + level[s] * level[s]);                // (2)
      gain[task] = k * a[task] * sqrt(a[task] / level[s]);            // (2)
      fed[task] = first + s < n ? a[task] * x[(first + s) * DIM + d] : real(0);
    }
    for (int task = threadIdx.x; task < N_TAU * TILE; task += BLOCK) {
      real t = tau2[task / TILE], l = level[task % TILE];
      fed[DIM * TILE + task] = 1 - 2 * t / (l * l + t);               // (3)
    }
    __syncthreads();
    evaluate<0>(weights, fed, stored, at);
    for (int task = threadIdx.x; task < DIM * TILE; task += BLOCK) {
      int s = task / DIM, d = task % DIM, i = d * TILE + s;           // neighbours in memory
      if (first + s < n)                                              // (1)
        out[(first + s) * DIM + d] = gain[i] * output(weights, stored, d, s) - a[i] * fed[i];
    }
    __syncthreads();
  }
}
