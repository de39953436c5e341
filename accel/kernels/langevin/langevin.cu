// Langevin dynamics along a score network: many steps of generative/langevin.py in one launch; the chains
// stay on the chip.
//
// A level's score, its step size and the principal axes are folded into the network once (launch.py), so that
// a step is, with formula numbers of generative/langevin.py,
//
//     x ← x + A (x − m) + F(x − m) + b z,    A (D, D), F the folded network, z standard normal, b = √α
//
// A block holds TILE chains and the weights in shared memory; z comes from noise.cuh. The number of the first
// step after which a chain is not finite goes into `bad` by an integer minimum; the caller then repeats the
// launch up to that step.
//
// Work for each chain and step of D-H-H-D: H (H + 2 D) multiply-adds and 2 H tanh, 16,900 and 256 for
// 2-128-128-2: a million chains and a thousand steps are 3.4e13 floating-point operations. Bytes: the chains
// once per launch, nothing in a step. Arithmetic bounds it.
// Limits: D, N ≤ 2³¹ − 1 chains, and layers whose columns fit in shared memory (`plan` of score/layout.py).
//
// Compiled in the tests with DIM=2 INPUTS=2 HIDDEN=128,128 TILE=64 STAGED=1 UNITS=8 LANES=8
#include "kernels/score/score_network.cuh"
#include "kernels/langevin/noise.cuh"

__device__ __forceinline__
void walk_all(const real* packed, const real* linear, const real* mean, const real* start, real* end,
              int* bad, int n, int n_steps, real width_of_noise, Noise noise) {
  DYN_SHARED(real, memory);
  real *centred = memory + (STAGED ? packed_at(LAYERS) : 0), *stored = centred + DIM * TILE;
  real *x = stored + stored_rows() * TILE, *z = x + DIM * TILE;
  const long long first = (long long)blockIdx.x * TILE;
  const real* weights = staged(packed, memory);
  const Place at;
  int good = n_steps;                                                 // steps with finite chains
  for (int s = threadIdx.x; s < TILE; s += BLOCK)
    for (int d = 0; d < DIM; d++) {
      x[d * TILE + s] = first + s < n ? start[(first + s) * DIM + d] : mean[d];
      centred[d * TILE + s] = x[d * TILE + s] - mean[d];
    }
  __syncthreads();
  for (int step = 0; step < n_steps; step++) {
    if (width_of_noise > 0) draw<TILE, BLOCK>(noise, step, first, n, z);
    evaluate<0>(weights, centred, stored, at);
    for (int s = threadIdx.x; s < TILE; s += BLOCK) {
      for (int d = 0; d < DIM; d++) {
        real drift = output(weights, stored, d, s);
        for (int e = 0; e < DIM; e++) drift += linear[d * DIM + e] * centred[e * TILE + s];
        real moved = x[d * TILE + s] + drift;                         // (1)
        if (width_of_noise > 0) moved += width_of_noise * z[s * DIM + d];
        x[d * TILE + s] = moved;
        if (!isfinite(moved) && first + s < n) good = min(good, step);
      }
      for (int d = 0; d < DIM; d++) centred[d * TILE + s] = x[d * TILE + s] - mean[d];
    }
    __syncthreads();
  }
  if (good < n_steps) atomicMin(bad, good);
  for (int s = threadIdx.x; s < TILE && first + s < n; s += BLOCK)
    for (int d = 0; d < DIM; d++) end[(first + s) * DIM + d] = x[d * TILE + s];
}

extern "C" __global__ void __launch_bounds__(BLOCK, 1) walk(
    const real* __restrict__ packed, const real* __restrict__ linear, const real* __restrict__ mean,
    const real* __restrict__ start, real* __restrict__ end, int* bad, int n, int n_steps, real width_of_noise,
    unsigned long long seed, unsigned long long block) {
  walk_all(packed, linear, mean, start, end, bad, n, n_steps, width_of_noise, {nullptr, seed, block});
}

extern "C" __global__ void __launch_bounds__(BLOCK, 1) walk_given(
    const real* __restrict__ packed, const real* __restrict__ linear, const real* __restrict__ mean,
    const real* __restrict__ start, real* __restrict__ end, int* bad, int n, int n_steps, real width_of_noise,
    const real* __restrict__ noise) {
  walk_all(packed, linear, mean, start, end, bad, n, n_steps, width_of_noise, {noise, 0, 0});
}
