// The loss of denoising score matching and its gradient, for E models side by side: what generative/score_matching.py computes.
//
// blockIdx.y is the model. A block walks over tiles of ROWS rows of a minibatch, each with both signs of its noise: TILE columns, kept
// feature-major in shared memory from the network's input to its last hidden units. With σ the row's level, and Fθ the network,
//
//     r  = σ s + (±ε) = offset + gain F,    gain = σ g,    offset = ±ε − σ a² (x ± σε)
//     L  = Σ r² / 4B                        dF = gain r / 2B
//
// and then back through the layers. What a block has found it writes to its own row of `partial` and of `losses`; the caller sums
// rows in their order, so that a run repeated gives the same bits. A row beyond the batch has gain = offset = 0.
//
// Work for each row of a network of W weights: 6 W multiply-adds (two columns, each forward, back and to the weights): 107,000 for
// 10-128-128-2, which is 43 MFLOP for a batch of 200: a microsecond of an H200's arithmetic. What bounds it at that size is latency:
// the chain of barriers, and the weights (73 KB in float32) that each block reads from L2. Bytes: the weights and the partial
// gradient once per block and tile, the rows once.
// Limits: the columns of all layers fit in shared memory (`shared_bytes` of _dsm.py).
//
// Compiled in the tests with DIM=2 LAYERS=3 H1=128 H2=128
#include "core/_tile.cuh"
#include "generative/_widths.cuh"

constexpr int ROWS = TILE / 2;                                        // of a tile

// the rows of columns before those that layer k is fed
__host__ __device__ constexpr int fed(int k) { int rows = 0; for (int i = 0; i < k; i++) rows += width(i); return rows; }

struct Batch {
  const real *data, *spread, *sigmas, *tau2;
  int n_levels;
  const int *rows, *cursor;
  const real *u, *epsilon;
  int n_steps, n;
};

template <bool GRADIENT> __device__ void matched(const real* flat, Batch batch, real* partial, real* losses) {
  DYN_SHARED(real, inputs);                                           // [fed(LAYERS)][TILE]
  real *residual = inputs + fed(LAYERS) * TILE, *gain = residual + DIM * TILE, *sigma = gain + DIM * TILE, *sums = sigma + TILE;
  real *below = sums + THREADS, *above = below + widest() * TILE;     // cotangents, in turn; for the gradient only
  const real* weights = flat + (long long)blockIdx.y * offset(LAYERS);
  const long long first = ((long long)blockIdx.y * batch.n_steps + batch.cursor[0]) * batch.n;
  const long long place = (long long)blockIdx.y * gridDim.x + blockIdx.x;
  const real half_nth = real(0.5) / batch.n;
  real loss = 0;
  bool add = false;
  for (int start = blockIdx.x * ROWS; start < batch.n; start += gridDim.x * ROWS, add = true) {
    if (threadIdx.x < TILE) {                                         // the level of each column
      int i = start + threadIdx.x % ROWS;
      int level = i < batch.n ? int(batch.u[first + i] * real(batch.n_levels)) : 0;
      sigma[threadIdx.x] = batch.sigmas[max(0, min(level, batch.n_levels - 1))];
    }
    __syncthreads();
    for (int task = threadIdx.x; task < DIM * TILE; task += THREADS) {
      int d = task / TILE, c = task % TILE, i = start + c % ROWS;
      real scaled = 0, off = 0, g = 0;
      if (i < batch.n) {
        real s = sigma[c], k = batch.spread[d], a = 1 / sqrt(k * k + s * s);
        real e = batch.epsilon[(first + i) * DIM + d] * (c < ROWS ? real(1) : real(-1));
        scaled = a * (batch.data[(long long)batch.rows[first + i] * DIM + d] + s * e);
        g = s * (k * a * sqrt(a / s));
        off = e - s * (a * scaled);
      }
      inputs[task] = scaled; residual[task] = off; gain[task] = g;
    }
    for (int task = threadIdx.x; task < TOLD * TILE; task += THREADS) {
      real s = sigma[task % TILE], t = batch.tau2[task / TILE];
      inputs[DIM * TILE + task] = 1 - 2 * t / (s * s + t);
    }
    __syncthreads();
    #pragma unroll
    for (int k = 0; k + 1 < LAYERS; k++)
      dense(weights + offset(k), width(k), width(k + 1), inputs + fed(k) * TILE, inputs + fed(k + 1) * TILE,
            [](real v, int, int) { return tanh(v); });
    dense(weights + offset(LAYERS - 1), width(LAYERS - 1), DIM, inputs + fed(LAYERS - 1) * TILE, residual,
          [&](real v, int d, int c) { return residual[d * TILE + c] + gain[d * TILE + c] * v; });
    for (int task = threadIdx.x; task < DIM * TILE; task += THREADS) {
      real r = residual[task];
      loss += r * r;
      residual[task] = r * gain[task] * half_nth;
    }
    __syncthreads();
    if (GRADIENT) {
      real *out = residual, *dweights = partial + place * offset(LAYERS);
      #pragma unroll
      for (int k = LAYERS - 1; k >= 0; k--) {
        real* h = inputs + fed(k) * TILE;
        dense_gradient(dweights + offset(k), width(k), width(k + 1), h, out, add);
        if (k > 0) {
          real* into = (LAYERS - k) % 2 ? below : above;
          dense_transposed(weights + offset(k), width(k), width(k + 1), 0, out, into,
                           [&](real v, int j, int c) { real y = h[j * TILE + c]; return v * (1 - y * y); });
          out = into;
        }
      }
    }
  }
  sums[threadIdx.x] = loss;
  for (int half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) losses[place] = sums[0] * (real(0.5) * half_nth);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) gradient(
    const real* __restrict__ flat, const real* __restrict__ data, const real* __restrict__ spread, const real* __restrict__ sigmas,
    const real* __restrict__ tau2, int n_levels, const int* __restrict__ rows, const int* __restrict__ cursor,
    const real* __restrict__ u, const real* __restrict__ epsilon, int n_steps, int n, real* partial, real* losses) {
  matched<true>(flat, {data, spread, sigmas, tau2, n_levels, rows, cursor, u, epsilon, n_steps, n}, partial, losses);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) loss(
    const real* __restrict__ flat, const real* __restrict__ data, const real* __restrict__ spread, const real* __restrict__ sigmas,
    const real* __restrict__ tau2, int n_levels, const int* __restrict__ rows, const int* __restrict__ cursor,
    const real* __restrict__ u, const real* __restrict__ epsilon, int n_steps, int n, real* losses) {
  matched<false>(flat, {data, spread, sigmas, tau2, n_levels, rows, cursor, u, epsilon, n_steps, n}, nullptr, losses);
}
