// A tile through a masked autoregressive flow, from data to the Gaussian, in shared memory: maf (1) to (3).
// Arrays are [row][sample], PITCH apart. The parameters are beside them: of all transforms (RESIDENT), or of
// one at a time. A thread computes UNITS units of a layer for LANE samples. For UNITS · LANE products it
// loads UNITS weights (one vector, the same for the samples of a warp) and LANE inputs.
#include "kernels/maf/maf.cuh"

constexpr int LANE = TILE >= 32 ? 4 : TILE >= 16 ? 2 : 1;
constexpr int LANES = TILE / LANE;

// The rows of one tile, as offsets. KEEP keeps what the gradient needs of each transform; without it,
// transforms use two copies of x in turn.
template <bool KEEP> struct Rows {
  static constexpr int present = 0;                                   // 1, or 0 for a sample beyond the batch
  static constexpr int context = present + 1;
  static constexpr int log_sigma = context + CONTEXT;                 // Σ over transforms
  static constexpr int x = log_sigma + DIM;
  static constexpr int hidden = x + (KEEP ? TRANSFORMS + 1 : 2) * DIM;
  static constexpr int tanh_a = hidden + (KEEP ? TRANSFORMS : 1) * HIDDEN;
  static constexpr int shrink = tanh_a + (KEEP ? TRANSFORMS * DIM : 0);               // 1/σ
  static constexpr int value = shrink + (KEEP ? TRANSFORMS * DIM : 0);
  static constexpr int d = value + 1;                                 // cotangents of all columns
  static constexpr int dcontext = d + columns_of(LAST + 1) + width(LAST);
  static constexpr int end = dcontext + CONTEXT;
  __device__ static real* x_of(real* rows, int k) { return rows + (x + (KEEP ? k : k % 2) * DIM) * PITCH; }
  __device__ static real* hidden_rows(real* rows, int k, int l) {
    return rows + (hidden + (KEEP ? k * HIDDEN : 0) + hidden_of(l)) * PITCH;
  }
};

__device__ __forceinline__ const real* weights(const real* staged, int k) {
  return staged + (RESIDENT ? k * N_STAGED : 0);
}

// z of one dimension, and log σ added up
template <bool KEEP>
__device__ __forceinline__ void to_gaussian(real* rows, int k, int i, int s, real mu, real a) {
  typedef Rows<KEEP> R;
  real tanh_a = tanh_of(a), log_sigma = S * tanh_a, shrink = exp(-log_sigma);             // made (4)
  real z = (R::x_of(rows, k)[i * PITCH + s] - mu) * shrink;                               // made (5)
  R::x_of(rows, k + 1)[(k + 1 < TRANSFORMS ? DIM - 1 - i : i) * PITCH + s] = z;           // maf (1)
  real* sum = rows + (R::log_sigma + i) * PITCH + s;
  *sum = k ? *sum + log_sigma : log_sigma;                                                // maf (2)
  if (KEEP) {
    rows[(R::tanh_a + k * DIM + i) * PITCH + s] = tanh_a;
    rows[(R::shrink + k * DIM + i) * PITCH + s] = shrink;
  }
}

template <bool KEEP, int L>
__device__ __forceinline__ void forward_layer(real* rows, const real* staged, int k) {
  typedef Rows<KEEP> R;
  constexpr int W = width(L);
  for (int task = threadIdx.x; task < W / UNITS * LANES; task += THREADS) {
    int s = task % LANES * LANE, c = task / LANES * UNITS, seen = shape.seen[L][c + UNITS - 1];
    const real* w = staged + staged_of(L) + c;
    Vec<LANE> sum[UNITS];
    Vec<UNITS> bias = load<UNITS>(w);
    for (int u = 0; u < UNITS; u++) for (int v = 0; v < LANE; v++) sum[u].v[v] = bias.v[u];
    if (L == 0) {
      accumulate<UNITS, LANE>(sum, w + W, W, rows + R::context * PITCH + s, PITCH, CONTEXT);
      accumulate<UNITS, LANE>(sum, w + (1 + CONTEXT) * W, W, R::x_of(rows, k) + s, PITCH, seen - CONTEXT);
    } else {
      const real* below = R::hidden_rows(rows, k, L ? L - 1 : 0) + s;
      accumulate<UNITS, LANE>(sum, w + W, W, below, PITCH, n_multiplied<L>(seen));
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

// The tile through all transforms, from the rows of the first x and the context: maf (1)
template <bool KEEP>
__device__ __forceinline__ void forward_tile(const real* flat, real* staged, real* rows) {
  for (int k = 0; k < TRANSFORMS; k++) {
    if (!RESIDENT) {
      stage_layers<1>(flat + (long long)k * N_FLAT, staged);
      __syncthreads();
    }
    forward_layer<KEEP, 0>(rows, weights(staged, k), k);
  }
}

// The parameters, if they are resident: once for each block
__device__ __forceinline__ void stage_all(const real* flat, real* staged) {
  if (RESIDENT) stage_layers<TRANSFORMS>(flat, staged);
}

// A row number, or that of the last row: samples beyond the last row are copies of it
__device__ __forceinline__ long long row_or_last(long long row, long long last) {
  return row < last ? row : last;
}

// Samples of the tile into its rows; `row` gives the row of the data for a sample
template <bool KEEP, class F>
__device__ __forceinline__ void fetch(const real* x, const real* context, real* rows, F row) {
  typedef Rows<KEEP> R;
  for (int task = threadIdx.x; task < TILE * (DIM + CONTEXT); task += THREADS) {
    int s = task / (DIM + CONTEXT), j = task % (DIM + CONTEXT);
    long long n = row(s);
    rows[(j < CONTEXT ? R::context + j : R::x + j - CONTEXT) * PITCH + s] =
        j < CONTEXT ? context[n * CONTEXT + j] : x[n * DIM + j - CONTEXT];
  }
  __syncthreads();
}

constexpr double HALF_LOG_TWO_PI = 0.91893853320467274178;

// −log p of a sample, maf (3): ½‖z‖² + Σ log σ + (D/2) log 2π
template <bool KEEP> __device__ __forceinline__ real minus_log_prob(real* rows, int s) {
  typedef Rows<KEEP> R;
  const real *z = R::x_of(rows, TRANSFORMS), *log_sigma = rows + R::log_sigma * PITCH;
  real squares = 0, sum = 0;
  for (int i = 0; i < DIM; i++) {
    squares += z[i * PITCH + s] * z[i * PITCH + s];
    sum += log_sigma[i * PITCH + s];
  }
  return real(0.5) * squares + sum + real(DIM * HALF_LOG_TWO_PI);
}

// Training kernels take the flat parameters of gridDim.y models, and for each model n_steps batches of
// n_batch row numbers, of which `cursor` names the current one: no argument changes from step to step, so
// that a captured launch can be replayed.

// The block's share of a batch's mean loss, maf (5): the tiles' samples added up, then summed in order
__device__ __forceinline__ void write_loss(const real* value, real* losses, int n_batch) {
  __syncthreads();
  if (threadIdx.x == 0) {
    real sum = 0;
    for (int s = 0; s < TILE; s++) sum += value[s];
    losses[blockIdx.y * gridDim.x + blockIdx.x] = sum / n_batch;
  }
}
