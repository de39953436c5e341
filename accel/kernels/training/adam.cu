// The part of a training step that follows the gradient kernel, for E models side by side (blockIdx.y): sum
// the blocks' partial gradients, clip the norm, and take a step of Adam. Formula numbers are those of
// training/optim.py, whose clip_by_norm and adam_step compute the same.
//
//   reduce   g = Σ_b partial[b]; a share of ‖g‖² for each block; the loss, η' and ε' of the current step
//   adam     (5), then (1), (2) and (4); then the cursor moves to the next step
//   total    a loss alone, from the shares of its blocks
//
// (3) is part of η' = η √(1 − β₂ᵗ) / (1 − β₁ᵗ) and ε' = ε √(1 − β₂ᵗ), which the host computes. A model's G
// partial gradients are summed by `slices` threads for each parameter, so that a large G does not make one
// long chain; the order of all sums depends on the shapes alone. reduce reads the cursor and adam moves it,
// so that all blocks of a launch see the same value.
//
// Bound by memory: reduce reads G P numbers and writes P, for G operations on each; adam reads 4 P and writes
// 3 P, for about 15 operations and a square root on each. All of it stays in the second-level cache up to
// some million parameters; at P = 17,780 a launch takes longer than its work. Limits: slices is a power of
// two, at most THREADS / 32; 2³¹ − 1 parameters in a model, 65,535 models.
// Compiled in the tests with THREADS=256 BETA1=0.9 BETA2=0.999
#include "kernels/common/real.cuh"

// The sum of the threads' values, for each thread of the block: halves of a warp, then the warps in turn
__device__ real block_sum(real value) {
  __shared__ real sums[THREADS / 32];
  for (int other = 16; other > 0; other /= 2) value += __shfl_xor_sync(0xffffffffu, value, other);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
  __syncthreads();
  value = 0;
  for (int warp = 0; warp < THREADS / 32; warp++) value += sums[warp];
  __syncthreads();
  return value;
}

// Σ of n numbers
__device__ real sum_of(const real* numbers, int n) {
  real sum = 0;
  for (int i = threadIdx.x; i < n; i += THREADS) sum += numbers[i];
  return block_sum(sum);
}

extern "C" __global__ void __launch_bounds__(THREADS)
reduce(const real* __restrict__ partial, const real* __restrict__ losses, const real* __restrict__ rates,
       const int* __restrict__ cursor, real* __restrict__ grads, real* __restrict__ norms,
       real* __restrict__ current, real* __restrict__ record, int n_params, int n_blocks, int n_steps,
       int slices) {
  __shared__ real parts[THREADS];
  int width = THREADS / slices, lane = threadIdx.x % width, slice = threadIdx.x / width, model = blockIdx.y;
  long long i = (long long)blockIdx.x * width + lane, first = (long long)model * n_params;
  real g = 0;
  if (i < n_params) {
    const real* column = partial + first * n_blocks + i;
#pragma unroll 8
    for (int b = slice; b < n_blocks; b += slices) g += column[(long long)b * n_params];
  }
  parts[threadIdx.x] = g;
  __syncthreads();
  if (slice == 0) for (int s = 1; s < slices; s++) g += parts[s * width + lane];
  if (slice == 0 && i < n_params) grads[first + i] = g;
  real squared = block_sum(slice == 0 ? g * g : real(0));
  if (threadIdx.x == 0) norms[(long long)model * gridDim.x + blockIdx.x] = squared;
  if (blockIdx.x == 0) {
    real loss = sum_of(losses + (long long)model * n_blocks, n_blocks);
    if (threadIdx.x == 0) {
      int step = cursor[0];
      const real* rate = rates + ((long long)model * n_steps + step) * 2;
      record[(long long)model * (n_steps + 1) + step] = loss;
      current[2 * model] = rate[0];
      current[2 * model + 1] = rate[1];
    }
  }
}

extern "C" __global__ void __launch_bounds__(THREADS)
adam(const real* __restrict__ grads, const real* __restrict__ norms, const real* __restrict__ current,
     real* __restrict__ flat, real* __restrict__ mean, real* __restrict__ square, int* __restrict__ cursor,
     int n_params, int n_norms, real most) {
  int model = blockIdx.y;
  real norm = sqrt(sum_of(norms + (long long)model * n_norms, n_norms));
  real factor = norm > most ? most / norm : real(1);
  long long i = (long long)blockIdx.x * THREADS + threadIdx.x;
  if (i < n_params) {
    i += (long long)model * n_params;
    real g = grads[i] * factor;                                                           // (5)
    real m = mean[i] * real(BETA1) + g * real(1 - BETA1);                                 // (1)
    real v = square[i] * real(BETA2) + g * g * real(1 - BETA2);                           // (2)
    mean[i] = m;
    square[i] = v;
    flat[i] -= m / (sqrt(v) + current[2 * model + 1]) * current[2 * model];               // (3), (4)
  }
  if (blockIdx.x == 0 && model == 0 && threadIdx.x == 0) cursor[0] += 1;
}

extern "C" __global__ void __launch_bounds__(THREADS)
total(const real* __restrict__ losses, real* __restrict__ record, int n_blocks, int n_steps) {
  real loss = sum_of(losses + (long long)blockIdx.x * n_blocks, n_blocks);
  if (threadIdx.x == 0) record[(long long)blockIdx.x * (n_steps + 1) + n_steps] = loss;
}
