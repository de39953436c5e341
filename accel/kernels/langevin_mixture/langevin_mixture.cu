// Langevin dynamics along the exact score of a Gaussian mixture: many steps in one launch, a chain to a
// thread. The score is that of density/mixture_score.py, whose formula numbers are used here; a step is (1)
// of generative/langevin.py:
//
//     x ← x + f Σₖ rₖ yₖ + b z,    yₖ = Pₖ (μₖ − x),    log rₖ = cₖ − ½ ⟨μₖ − x, yₖ⟩ + …
//
// The responsibilities are summed as they come, in units of the largest so far. The components are in shared
// memory; all lanes read the same number of them at once. The chains stay in registers, and the noise of a
// step is in shared memory (langevin/noise.cuh). A chain that is not finite after a step puts the number of
// the step into `bad` by an integer minimum.
//
// Work for each chain, step and component: D (D + 4) multiply-adds (5 D where covariances are diagonal) and
// two exponentials; besides D normals. Nothing is read or written in a step. Arithmetic bounds it.
// Limits: the dimensions and components of launch.py, which must fit in shared memory.
//
// Compiled in the tests with DIM=2 COMPONENTS=10 FULL=1 TILE=256
#include "kernels/common/real.cuh"
#include "kernels/langevin/noise.cuh"

constexpr int EACH = FULL ? DIM * DIM : DIM;                          // numbers of a precision
// what describes a kind of move: f, c (K), μ (K, D), P (K, D, D) or (K, D)
constexpr int SIZE = 1 + COMPONENTS * (1 + DIM + EACH);

__device__ __forceinline__
void walk_all(const real* move, const real* start, real* end, int* bad, int n, int n_steps,
              real width_of_noise, Noise noise) {
  DYN_SHARED(real, z);                                                // [TILE · DIM]
  real *factor = z + TILE * DIM, *constant = factor + 1, *mean = constant + COMPONENTS;
  real* precision = mean + COMPONENTS * DIM;
  const long long first = (long long)blockIdx.x * TILE, chain = first + threadIdx.x;
  for (int i = threadIdx.x; i < SIZE; i += TILE) factor[i] = move[i];
  real x[DIM];
  for (int d = 0; d < DIM; d++) x[d] = chain < n ? start[chain * DIM + d] : real(0);
  int good = n_steps;
  for (int step = 0; step < n_steps; step++) {
    __syncthreads();
    if (width_of_noise > 0) draw<TILE, TILE>(noise, step, first, n, z);
    __syncthreads();
    real largest = real(sizeof(real) == 4 ? -1e38 : -1e300), total = 0, pull[DIM] = {};
    for (int k = 0; k < COMPONENTS; k++) {
      real to[DIM], y[DIM], log_r = 0;
      const real* p = precision + k * EACH;
      for (int d = 0; d < DIM; d++) to[d] = mean[k * DIM + d] - x[d];
      for (int d = 0; d < DIM; d++) {
        y[d] = 0;
        if (FULL) for (int e = 0; e < DIM; e++) y[d] += p[d * DIM + e] * to[e];
        else y[d] = p[d] * to[d];
        log_r += to[d] * y[d];
      }
      log_r = constant[k] - real(0.5) * log_r;
      if (log_r > largest) {
        real shrink = exp(largest - log_r);
        total *= shrink;
        for (int d = 0; d < DIM; d++) pull[d] *= shrink;
        largest = log_r;
      }
      real r = exp(log_r - largest);                                  // (2)
      total += r;
      for (int d = 0; d < DIM; d++) pull[d] += r * y[d];              // (3)
    }
    for (int d = 0; d < DIM; d++) {
      x[d] += factor[0] * (pull[d] / total);                          // langevin (1)
      if (width_of_noise > 0) x[d] += width_of_noise * z[threadIdx.x * DIM + d];
      if (!isfinite(x[d]) && chain < n) good = min(good, step);
    }
  }
  if (good < n_steps) atomicMin(bad, good);
  if (chain < n) for (int d = 0; d < DIM; d++) end[chain * DIM + d] = x[d];
}

extern "C" __global__ void __launch_bounds__(TILE, 1) walk(
    const real* __restrict__ move, const real* __restrict__ start, real* __restrict__ end, int* bad, int n,
    int n_steps, real width_of_noise, unsigned long long seed, unsigned long long block) {
  walk_all(move, start, end, bad, n, n_steps, width_of_noise, {nullptr, seed, block});
}

extern "C" __global__ void __launch_bounds__(TILE, 1) walk_given(
    const real* __restrict__ move, const real* __restrict__ start, real* __restrict__ end, int* bad, int n,
    int n_steps, real width_of_noise, const real* __restrict__ noise) {
  walk_all(move, start, end, bad, n, n_steps, width_of_noise, {noise, 0, 0});
}
