// The loss (3) of generative/score_matching.py and its gradient, for E models side by side.
//
// blockIdx.y is the model. A block takes tiles of ROWS rows of a minibatch, each with both signs of its
// noise: TILE columns, kept in shared memory from the network's input to its last hidden units, and the
// weights beside them if STAGED. With σ the row's level and F the network,
//
//     r  = σ s + (±ε) = offset + gain F,    gain = σ g,    offset = ±ε − σ a² (x ± σε)
//     L  = Σ r² / 4B                        dF = gain r / 2B
//
// and then back through the layers, whose units are replaced by their cotangents in place. Each block writes
// its sums to its own row of `partial` and of `losses`; the caller adds the rows in order, so that a run
// repeated gives the same bits. A row beyond the batch has gain = offset = 0.
//
// Work for each row of a network of W weights: 6 W multiply-adds (two columns, each forward, back and to the
// weights), 107,000 for 10-128-128-2: 43 MFLOP for a batch of 200. At that size latency bounds it: a dozen
// barriers, the weights that each block reads from L2 and the gradient that it writes (73 KB each in
// float32). Large batches are bound by shared memory: two loads of 16 bytes for 16 multiply-adds. Bytes: a
// row once; weights and gradient once for each block, and the gradient twice more for each further tile.
// Limits: the columns of all layers of the smallest tile fit in shared memory (`plan` of launch.py).
//
// Compiled in the tests with DIM=2 INPUTS=10 HIDDEN=128,128 TILE=32 THREADS=256 STAGED=1
#include "kernels/common/dense.cuh"
#include "kernels/score/widths.cuh"

constexpr int ROWS = TILE / 2;                                        // of a tile

// the rows of columns before those that layer k is fed, the first of which are ones
__host__ __device__ constexpr int fed(int k) {
  int rows = 0;
  for (int i = 0; i < k; i++) rows += 1 + width(i);
  return rows;
}

// the numbers before layer k of the weights, as they are read here
__host__ __device__ constexpr int read_at(int k) {
  int p = 0;
  for (int i = 0; i < k; i++) p += size_of(width(i), width(i + 1));
  return p;
}

struct Batch {
  const real *data, *spread, *sigmas, *tau2;
  int n_levels;
  const int *rows, *cursor;
  const real *u, *epsilon;
  int n_steps, n;
};

template <int K> __device__ __forceinline__ void forward(const real* weights, real* units) {
  if constexpr (K < LAYERS - 1) {
    dense<width(K), width(K + 1)>(weights + read_at(K), width(K), width(K + 1), units + fed(K) * LD,
                                  units + (fed(K + 1) + 1) * LD, [](Four a, int, int) {
      for (int v = 0; v < 4; v++) a.v[v] = tanh(a.v[v]);
      return a;
    });
    forward<K + 1>(weights, units);
  }
}

// dout is the cotangent of layer K's output
template <int K> __device__ __forceinline__
void backward(const real* weights, real* units, const real* dout, real* dweights, bool add) {
  real* in = units + fed(K) * LD;
  dense_gradient(dweights + offset(K), width(K), width(K + 1), in, dout, add);
  if constexpr (K > 0) {
    dense_transposed<width(K), width(K + 1)>(weights + read_at(K), width(K), width(K + 1), 0, dout, in,
                                             [=](Four d, int row, int s) {
      Four h = four(in + row * LD, s);
      for (int v = 0; v < 4; v++) d.v[v] *= 1 - h.v[v] * h.v[v];
      return d;
    });
    backward<K - 1>(weights, units, in + LD, dweights, add);
  }
}

template <bool GRADIENT> __device__ __forceinline__
void loss_of_batch(const real* flat, Batch batch, real* partial, real* losses) {
  DYN_SHARED(real, units);                                            // [fed(LAYERS)][LD]
  real *residual = units + fed(LAYERS) * LD, *gain = residual + DIM * LD, *sigma = gain + DIM * LD;
  real *sums = sigma + LD, *room = sums + THREADS;
  const real* weights = flat + (long long)blockIdx.y * offset(LAYERS);
  const long long first = ((long long)blockIdx.y * batch.n_steps + batch.cursor[0]) * batch.n;
  const long long place = (long long)blockIdx.y * gridDim.x + blockIdx.x;
  const real half_nth = real(0.5) / batch.n;
  if (STAGED) {
    #pragma unroll
    for (int k = 0; k < LAYERS; k++)
      stage(weights + offset(k), width(k), width(k + 1), room + read_at(k));
    weights = room;
  }
  for (int task = threadIdx.x; task < LAYERS * LD; task += THREADS)
    units[fed(task / LD) * LD + task % LD] = 1;
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
      units[(1 + d) * LD + c] = scaled; residual[d * LD + c] = off; gain[d * LD + c] = g;
    }
    for (int task = threadIdx.x; task < N_TAU * TILE; task += THREADS) {
      real s = sigma[task % TILE], t = batch.tau2[task / TILE];
      units[(1 + DIM + task / TILE) * LD + task % TILE] = 1 - 2 * t / (s * s + t);
    }
    __syncthreads();
    forward<0>(weights, units);
    dense<width(LAYERS - 1), DIM>(weights + read_at(LAYERS - 1), width(LAYERS - 1), DIM,
                                  units + fed(LAYERS - 1) * LD, residual,
                                  [&](const Four& f, int d, int c) {  // from offset to r, and on to dF
      Four out = four(residual + d * LD, c), g = four(gain + d * LD, c);
      for (int v = 0; v < 4; v++) {
        real r = out.v[v] + g.v[v] * f.v[v];
        loss += r * r;                                                // (3)
        out.v[v] = r * g.v[v] * half_nth;
      }
      return out;
    });
    if constexpr (GRADIENT)
      backward<LAYERS - 1>(weights, units, residual, partial + place * offset(LAYERS), add);
  }
  sums[threadIdx.x] = loss;
  for (int half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) losses[place] = sums[0] * (real(0.5) * half_nth);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) gradient(
    const real* __restrict__ flat, const real* __restrict__ data, const real* __restrict__ spread,
    const real* __restrict__ sigmas, const real* __restrict__ tau2, int n_levels,
    const int* __restrict__ rows, const int* __restrict__ cursor, const real* __restrict__ u,
    const real* __restrict__ epsilon, int n_steps, int n, real* partial, real* losses) {
  Batch batch = {data, spread, sigmas, tau2, n_levels, rows, cursor, u, epsilon, n_steps, n};
  loss_of_batch<true>(flat, batch, partial, losses);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) loss(
    const real* __restrict__ flat, const real* __restrict__ data, const real* __restrict__ spread,
    const real* __restrict__ sigmas, const real* __restrict__ tau2, int n_levels,
    const int* __restrict__ rows, const int* __restrict__ cursor, const real* __restrict__ u,
    const real* __restrict__ epsilon, int n_steps, int n, real* losses) {
  Batch batch = {data, spread, sigmas, tau2, n_levels, rows, cursor, u, epsilon, n_steps, n};
  loss_of_batch<false>(flat, batch, nullptr, losses);
}
