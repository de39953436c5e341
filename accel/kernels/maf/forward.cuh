// A tile of TILE samples through a masked autoregressive flow, in shared memory: from data to the Gaussian. Arrays are [row][sample],
// PITCH apart, the parameters beside them: all of them where there is room (RESIDENT), else one transform at a time. A thread computes
// UNITS units of a layer for LANE samples, for which it loads UNITS weights (one vector, the same for the samples of a warp) and LANE
// inputs: 2 loads for UNITS · LANE products.
#include "kernels/maf/maf.cuh"

constexpr int PITCH = TILE + 4;                                       // vector loads of eight neighbouring rows meet all banks
constexpr int LANE = TILE >= 32 ? 4 : TILE >= 16 ? 2 : 1;
constexpr int LANES = TILE / LANE;

// Rows of one tile. With the gradient, everything of each transform is kept; without, two inputs that transforms take in turn.
template <bool KEEP> struct Rows {
  static constexpr int present = 0, context = 1, log_sigma = context + CONTEXT, x = log_sigma + DIM,
    hidden = x + (KEEP ? TRANSFORMS + 1 : 2) * DIM, bound = hidden + (KEEP ? TRANSFORMS : 1) * HIDDEN, shrink = bound + (KEEP ? TRANSFORMS * DIM : 0),
    value = shrink + (KEEP ? TRANSFORMS * DIM : 0), d = value + 1, dcontext = d + columns_of(LAST + 1) + width(LAST), end = dcontext + CONTEXT;
  __device__ static real* x_of(real* rows, int k) { return rows + (x + (KEEP ? k : k % 2) * DIM) * PITCH; }
  __device__ static real* hidden_rows(real* rows, int k, int l) { return rows + (hidden + (KEEP ? k * HIDDEN : 0) + hidden_of(l)) * PITCH; }
};

__device__ __forceinline__ const real* weights(const real* staged, int k) { return staged + (RESIDENT ? k * STAGED : 0); }

// z of one dimension, and log σ added up; what the way back needs is kept
template <bool KEEP> __device__ __forceinline__ void to_gaussian(real* rows, int k, int i, int s, real mu, real a) {
  typedef Rows<KEEP> R;
  real bound = tanh(a * real(1 / 7.0)), log_sigma = S * bound, shrink = exp(-log_sigma);
  real z = (R::x_of(rows, k)[i * PITCH + s] - mu) * shrink;
  R::x_of(rows, k + 1)[(k + 1 < TRANSFORMS ? DIM - 1 - i : i) * PITCH + s] = z;
  real* sum = rows + (R::log_sigma + i) * PITCH + s;
  *sum = k ? *sum + log_sigma : log_sigma;
  if (KEEP) {
    rows[(R::bound + k * DIM + i) * PITCH + s] = bound;
    rows[(R::shrink + k * DIM + i) * PITCH + s] = shrink;
  }
}

template <bool KEEP, int L> __device__ __forceinline__ void forward_layer(real* rows, const real* staged, int k) {
  typedef Rows<KEEP> R;
  constexpr int W = width(L);
  for (int task = threadIdx.x; task < W / UNITS * LANES; task += THREADS) {
    int s = task % LANES * LANE, c = task / LANES * UNITS, seen = shape.seen[L][c + UNITS - 1];
    const real* w = staged + staged_of(L) + c;
    Some<LANE> sum[UNITS];
    Some<UNITS> bias = load<UNITS>(w);
    for (int u = 0; u < UNITS; u++) for (int v = 0; v < LANE; v++) sum[u].v[v] = bias.v[u];
    if (L == 0) {
      accumulate<UNITS, LANE>(sum, w + W, W, rows + R::context * PITCH + s, PITCH, CONTEXT);
      accumulate<UNITS, LANE>(sum, w + (1 + CONTEXT) * W, W, R::x_of(rows, k) + s, PITCH, seen - CONTEXT);
    } else {
      accumulate<UNITS, LANE>(sum, w + W, W, R::hidden_rows(rows, k, L ? L - 1 : 0) + s, PITCH, taken<L>(seen));
    }
    if (L == LAST) {
#pragma unroll
      for (int u = 0; u < UNITS; u += 2)
#pragma unroll
        for (int v = 0; v < LANE; v++)
          if ((c + u) / 2 < DIM) to_gaussian<KEEP>(rows, k, (c + u) / 2, s + v, sum[u].v[v], sum[u + 1].v[v]);
    } else {
      real* h = R::hidden_rows(rows, k, L) + shape.unit[L][c] * PITCH + s;
#pragma unroll
      for (int u = 0; u < UNITS; u++) {
#pragma unroll
        for (int v = 0; v < LANE; v++) sum[u].v[v] = tanh(sum[u].v[v]);
        if (shape.unit[L][c + u] >= 0) store<LANE>(h + u * PITCH, sum[u]);
      }
    }
  }
  __syncthreads();
  if constexpr (L < LAST) forward_layer<KEEP, L + 1>(rows, staged, k);
}

// The whole flow for the tile that lies in the rows of the first x and the context.
template <bool KEEP> __device__ __forceinline__ void forward_tile(const real* flat, real* staged, real* rows) {
  for (int k = 0; k < TRANSFORMS; k++) {
    if (!RESIDENT) {
      stage_layers<1>(flat + (long long)k * FLAT, staged);
      __syncthreads();
    }
    forward_layer<KEEP, 0>(rows, weights(staged, k), k);
  }
}

// The parameters, where all of them have room: once for each block.
__device__ __forceinline__ void stage_all(const real* flat, real* staged) {
  if (RESIDENT) stage_layers<TRANSFORMS>(flat, staged);
}

__device__ __forceinline__ long long earlier(long long a, long long b) { return a < b ? a : b; }

// Samples of the tile into its rows; `row` says which row of the data a sample is, beyond the batch the last one again.
template <bool KEEP, class F> __device__ __forceinline__ void fetch(const real* x, const real* context, real* rows, F row) {
  typedef Rows<KEEP> R;
  for (int task = threadIdx.x; task < TILE * (DIM + CONTEXT); task += THREADS) {
    int s = task / (DIM + CONTEXT), j = task % (DIM + CONTEXT);
    long long n = row(s);
    rows[(j < CONTEXT ? R::context + j : R::x + j - CONTEXT) * PITCH + s] = j < CONTEXT ? context[n * CONTEXT + j] : x[n * DIM + j - CONTEXT];
  }
  __syncthreads();
}

constexpr double HALF_LOG_TWO_PI = 0.91893853320467274178;

// −log p of a sample: ½‖z‖² + Σ log σ + (D/2) log 2π
template <bool KEEP> __device__ __forceinline__ real minus_log_prob(real* rows, int s) {
  typedef Rows<KEEP> R;
  const real *z = R::x_of(rows, TRANSFORMS), *log_sigma = rows + R::log_sigma * PITCH;
  real squares = 0, sum = 0;
  for (int i = 0; i < DIM; i++) { squares += z[i * PITCH + s] * z[i * PITCH + s]; sum += log_sigma[i * PITCH + s]; }
  return real(0.5) * squares + sum + real(DIM * HALF_LOG_TWO_PI);
}

// What follows is given flat parameters of gridDim.y models, and for each of them n_steps batches of n_batch row numbers, of which
// `cursor` names the one to take: nothing in the arguments changes from step to step, so that a captured launch can be replayed.

// The block's share of the mean loss of a batch: values of the tile's samples added up over tiles, then in order.
__device__ __forceinline__ void write_loss(const real* value, real* losses, int n_batch) {
  __syncthreads();
  if (threadIdx.x == 0) {
    real sum = 0;
    for (int s = 0; s < TILE; s++) sum += value[s];
    losses[blockIdx.y * gridDim.x + blockIdx.x] = sum / n_batch;
  }
}
