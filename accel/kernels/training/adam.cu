// What a training step does after its gradient kernel, for E models side by side (blockIdx.y): the partial gradients of its blocks are
// summed, the norm is clipped and Adam takes its step, to the numbers of `training.optim`'s clip_by_norm and adam_step.
//
//   reduce   g = Σ_b partial[b];  one share of ‖g‖² for each block;  the step's loss, its step size η' and ε'
//   adam     factor = min(1, most/‖g‖);  m, v, w;  then the cursor, which says what step it is, goes on by one
//   total    a loss alone, from the shares of its blocks
//
// A model's G partial gradients are summed by `slices` threads for each parameter, so that many of them do not make one long chain; all
// sums run in an order that depends on the shapes alone. The cursor is read where reduce runs and moved where adam runs, so no block
// can see it half way. Bound by memory: reduce reads G P numbers and writes P, for G operations on each; adam reads 4 P and writes 3 P,
// for some 15 operations and a square root on each. All of it stays in L2 up to some million parameters; at P = 17,780 a launch takes
// longer than what it does. Limits: slices is a power of two, at most THREADS / 32; 2³¹ − 1 parameters to a model, 65,535 models.
// Compiled in the tests with THREADS=256 BETA1=0.9 BETA2=0.999
#include "kernels/common/real.cuh"

// Σ over the block of what each thread brings, for all of its threads: halves of a warp, then the warps in turn
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

extern "C" __global__ void __launch_bounds__(THREADS) reduce(const real* __restrict__ partial, const real* __restrict__ shares,
    const real* __restrict__ rates, const int* __restrict__ cursor, real* __restrict__ grads, real* __restrict__ norms,
    real* __restrict__ now, real* __restrict__ record, int n_params, int n_partial, int n_steps, int slices) {
  __shared__ real parts[THREADS];
  int width = THREADS / slices, lane = threadIdx.x % width, slice = threadIdx.x / width, model = blockIdx.y;
  long long i = (long long)blockIdx.x * width + lane, first = (long long)model * n_params;
  real g = 0;
  if (i < n_params) {
    const real* column = partial + first * n_partial + i;
    #pragma unroll 8
    for (int b = slice; b < n_partial; b += slices) g += column[(long long)b * n_params];
  }
  parts[threadIdx.x] = g;
  __syncthreads();
  if (slice == 0) for (int s = 1; s < slices; s++) g += parts[s * width + lane];
  if (slice == 0 && i < n_params) grads[first + i] = g;
  real squared = block_sum(slice == 0 ? g * g : real(0));
  if (threadIdx.x == 0) norms[(long long)model * gridDim.x + blockIdx.x] = squared;
  if (blockIdx.x == 0) {
    real loss = sum_of(shares + (long long)model * n_partial, n_partial);
    if (threadIdx.x == 0) {
      int step = cursor[0];
      const real* rate = rates + ((long long)model * n_steps + step) * 2;
      record[(long long)model * (n_steps + 1) + step] = loss;
      now[2 * model] = rate[0];
      now[2 * model + 1] = rate[1];
    }
  }
}

extern "C" __global__ void __launch_bounds__(THREADS) adam(const real* __restrict__ grads, const real* __restrict__ norms,
    const real* __restrict__ now, real* __restrict__ flat, real* __restrict__ mean, real* __restrict__ square, int* __restrict__ cursor,
    int n_params, int n_norms, real most) {
  int model = blockIdx.y;
  real norm = sqrt(sum_of(norms + (long long)model * n_norms, n_norms)), factor = norm > most ? most / norm : real(1);
  long long i = (long long)blockIdx.x * THREADS + threadIdx.x;
  if (i < n_params) {
    i += (long long)model * n_params;
    real g = grads[i] * factor;
    real m = mean[i] * real(BETA1) + g * real(1 - BETA1);
    real v = square[i] * real(BETA2) + g * g * real(1 - BETA2);
    mean[i] = m;
    square[i] = v;
    flat[i] -= m / (sqrt(v) + now[2 * model + 1]) * now[2 * model];
  }
  if (blockIdx.x == 0 && model == 0 && threadIdx.x == 0) cursor[0] += 1;
}

extern "C" __global__ void __launch_bounds__(THREADS) total(const real* __restrict__ shares, real* __restrict__ record, int n_shares,
    int n_steps) {
  real loss = sum_of(shares + (long long)blockIdx.x * n_shares, n_shares);
  if (threadIdx.x == 0) record[(long long)blockIdx.x * (n_steps + 1) + n_steps] = loss;
}
