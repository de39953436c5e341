// A masked autoregressive flow from the Gaussian to data (density/maf.py: inverse and sample), all its
// transforms in one launch: maf (4).
//
// A thread takes PER samples through the whole flow, without a barrier within a transform. For each transform
// it goes through the dimensions in turn: it computes the units of that dimension's degree in each hidden
// layer, each unit once, then μᵢ and aᵢ, then xᵢ, which replaces zᵢ. Units and inputs are [row][sample] in
// shared memory; a column belongs to one thread. The weights beside them are read by all threads of a warp at
// once: UNITS of them (one vector) and PER inputs for UNITS · PER products.
//
// With CONTEXTS_SHARED, where one row of the context belongs to several samples, three things are computed
// once for each row of the context in a tile: its part of the first layer, the units that see the context
// alone, and the outputs for the first dimension.
//
// Bound by: shared-memory loads, 1 + PER for 4 · PER products, and instructions, of which a tanh takes about
// 20. Operations per sample: two for each allowed weight except those of the context (12 dimensions, 11
// features of context, 50 and 50 units, 5 transforms: 22,850, and 24,080 with the groups filled up), besides
// 560 tanh and 60 exp. Bytes per sample from and to global memory, float32: 4 (2 DIM + 1), or 4 (DIM + 1)
// where z is drawn here, besides 4 CONTEXT for each row of the context; per tile the parameters (out of the
// second-level cache).
//
// Limits: those of kernels/maf/density.cu, for a tile of 32 samples. If one dimension of a sample is not
// finite, all of its dimensions may be so.
// Compiled in the tests with DIM=12 CONTEXT=11 TRANSFORMS=5 HIDDEN_0=50 HIDDEN_1=50 BOUND=7.0 UNITS=4
// Compiled in the tests with TILE=384 PITCH=386 THREADS=192 RESIDENT=0 CONTEXTS_SHARED=1
#include "kernels/common/philox.cuh"
#include "kernels/maf/maf.cuh"

constexpr int PER = TILE / THREADS;
constexpr int ROWS = DIM + HIDDEN + (CONTEXTS_SHARED ? 0 : CONTEXT);  // x (z at first), units, context

// What follows from a row of the context alone: the row itself; the first layer's sums, its units of degree 0
// with their tanh; the units of degree 0 of the other layers; the outputs for the first dimension.
__host__ __device__ constexpr int known_of(int l) {
  int n = CONTEXT;
  for (int m = 0; m < l; m++) n += m ? up_to(n_units(m), 0) : HIDDEN_0;
  return n;
}
constexpr int KNOWN = known_of(LAST) + 2;

template <int L> __device__ __forceinline__ void compute_known(real* known, const real* staged, int n_rows) {
  constexpr int W = width(L), N = L == LAST ? 2 : L ? up_to(n_units(L), 0) : HIDDEN_0;
  constexpr int BELOW = L ? up_to(n_in(L), 0) : CONTEXT;
  if constexpr (N > 0) {
    for (int task = threadIdx.x; task < n_rows * N; task += THREADS) {
      int j = task % N;
      real* row = known + task / N * KNOWN;
      const real* w = staged + staged_of(L) + (L == LAST ? j : shape.column[L][j]);
      const real* in = row + (L ? known_of(L - 1) : 0);
      real sum = w[0];
      for (int k = 0; k < BELOW; k++) sum = fma(w[(1 + k) * W], in[k], sum);
      row[known_of(L) + j] = L < LAST && j < up_to(n_units(L), 0) ? tanh(sum) : sum;
    }
  }
  __syncthreads();
  if constexpr (L < LAST) compute_known<L + 1>(known, staged, n_rows);
}

// One thread's samples: their columns of x (the next dimension is `step` further on), of the units and of the
// context
struct Column { real *x, *hidden; const real* context; const real* known[PER]; int step; };

// The units of degree i of this layer and of those above it
template <int L>
__device__ __forceinline__ void compute_units(const Column& column, const real* staged, int i) {
  constexpr int W = width(L);
  real* h = column.hidden + hidden_of(L) * PITCH;
  int j = up_to(n_units(L), i - 1), end = up_to(n_units(L), i);
  if (CONTEXTS_SHARED && i == 0) {
    for (; j < end; j += UNITS) {
      Vec<PER> known[UNITS];
#pragma unroll
      for (int u = 0; u < UNITS; u++)
        for (int v = 0; v < PER; v++) known[u].v[v] = column.known[v][known_of(L) + smaller(j + u, end - 1)];
#pragma unroll
      for (int u = 0; u < UNITS; u++) if (j + u < end) store<PER>(h + (j + u) * PITCH, known[u]);
    }
  }
#pragma unroll 1
  for (int c = shape.first[L][i]; j < end; j += UNITS, c += UNITS) {
    const real* w = staged + staged_of(L) + c;
    Vec<PER> sum[UNITS];
    if (CONTEXTS_SHARED && L == 0) {
      for (int u = 0; u < UNITS; u++)
        for (int v = 0; v < PER; v++) sum[u].v[v] = j + u < end ? column.known[v][CONTEXT + j + u] : real(0);
    } else {
      Vec<UNITS> bias = load<UNITS>(w);
      for (int u = 0; u < UNITS; u++) for (int v = 0; v < PER; v++) sum[u].v[v] = bias.v[u];
    }
    if (L == 0) {
      if (!CONTEXTS_SHARED) accumulate<UNITS, PER>(sum, w + W, W, column.context, PITCH, CONTEXT);
      accumulate<UNITS, PER>(sum, w + (1 + CONTEXT) * W, W, column.x, column.step, i);
    } else {
      const real* below = h - (hidden_of(L) - hidden_of(L ? L - 1 : 0)) * PITCH;
      accumulate<UNITS, PER>(sum, w + W, W, below, PITCH, n_multiplied<L>(up_to(n_in(L), i)));
    }
#pragma unroll
    for (int u = 0; u < UNITS; u++) {
#pragma unroll
      for (int v = 0; v < PER; v++) sum[u].v[v] = tanh(sum[u].v[v]);
      if (j + u < end) store<PER>(h + (j + u) * PITCH, sum[u]);
    }
  }
  if constexpr (L + 1 < LAST) compute_units<L + 1>(column, staged, i);
}

// One transform: x replaces z, and log σ is added to log_det
__device__ __forceinline__ void inverse_transform(const Column& column, const real* staged, real* log_det) {
  constexpr int W = width(LAST);
#pragma unroll 1
  for (int i = 0; i < DIM; i++) {
    compute_units<0>(column, staged, i);
    Vec<PER> out[2];
    if (CONTEXTS_SHARED && i == 0) {
      for (int u = 0; u < 2; u++)
        for (int v = 0; v < PER; v++) out[u].v[v] = column.known[v][known_of(LAST) + u];
    } else {
      const real* w = staged + staged_of(LAST) + 2 * i;
      Vec<2> bias = load<2>(w);
      for (int u = 0; u < 2; u++) for (int v = 0; v < PER; v++) out[u].v[v] = bias.v[u];
      const real* below = column.hidden + hidden_of(LAST - 1) * PITCH;
      accumulate<2, PER>(out, w + W, W, below, PITCH, n_multiplied<LAST>(up_to(n_units(LAST - 1), i)));
    }
#pragma unroll
    for (int v = 0; v < PER; v++) {
      real* x = column.x + i * column.step + v;
      real log_sigma = S * tanh_of(out[1].v[v]);                                          // made (4)
      log_det[v] += log_sigma;
      *x = out[0].v[v] + exp(log_sigma) * *x;                                             // made (7)
    }
  }
}

// `each` rows of z share a row of the context. If `drawn`, z is what the counter generator would draw next:
// its normals from `seed` and `block` on.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
inverse(const real* __restrict__ flat, const real* __restrict__ z, const real* __restrict__ context,
        real* __restrict__ out, real* __restrict__ log_det, long long n, long long each, int drawn,
        unsigned long long seed, unsigned long long block) {
  DYN_SHARED(real, staged);
  real *rows = staged + (RESIDENT ? TRANSFORMS : 1) * N_STAGED, *known = rows + ROWS * PITCH;
  real* contexts = rows + (DIM + HIDDEN) * PITCH;
  if (RESIDENT) stage_layers<TRANSFORMS>(flat, staged);
  for (long long start = (long long)blockIdx.x * TILE; start < n; start += (long long)gridDim.x * TILE) {
    int n_tile = n - start < TILE ? int(n - start) : TILE;
    long long first = start / each;
    int n_rows = int((start + n_tile - 1) / each - first) + 1;
    // Groups also read units that are not computed yet, with zero weights: these must be finite
    for (int task = threadIdx.x; task < HIDDEN * PITCH; task += THREADS) rows[DIM * PITCH + task] = 0;
    if (drawn) {
      for (int task = threadIdx.x; task < TILE * DIM / 4; task += THREADS) {
        real four[4];
        four_normals(philox(seed, block + start / 4 * DIM + task), four);
        for (int j = 0; j < 4; j++) rows[(4 * task + j) % DIM * PITCH + (4 * task + j) / DIM] = four[j];
      }
    } else {
      for (int task = threadIdx.x; task < TILE * DIM; task += THREADS) {
        int from = smaller(task, (n_tile - 1) * DIM + task % DIM);
        rows[task % DIM * PITCH + task / DIM] = z[start * DIM + from];
      }
    }
    if (CONTEXTS_SHARED) {
      for (int task = threadIdx.x; task < n_rows * CONTEXT; task += THREADS) {
        int row = task / larger(CONTEXT, 1), j = task % larger(CONTEXT, 1);
        known[row * KNOWN + j] = context[first * CONTEXT + task];
      }
    } else {
      for (int task = threadIdx.x; task < TILE * CONTEXT; task += THREADS) {
        int s = task / larger(CONTEXT, 1), j = task % larger(CONTEXT, 1);
        contexts[j * PITCH + s] = context[(start + smaller(s, n_tile - 1)) / each * CONTEXT + j];
      }
    }
    __syncthreads();
    int s = threadIdx.x * PER;
    real sum[PER] = {};
    Column column;
    column.hidden = rows + DIM * PITCH + s;
    column.context = contexts + s;
    for (int v = 0; v < PER; v++)
      column.known[v] = known + ((start + smaller(s + v, n_tile - 1)) / each - first) * KNOWN;
    for (int k = TRANSFORMS - 1; k >= 0; k--) {
      bool reversed = (TRANSFORMS - 1 - k) % 2;                       // r of maf (4)
      const real* weights = staged + (RESIDENT ? k * N_STAGED : 0);
      if (!RESIDENT) {
        stage_layers<1>(flat + (long long)k * N_FLAT, staged);
        __syncthreads();
      }
      if (CONTEXTS_SHARED) compute_known<0>(known, weights, n_rows);
      column.x = rows + (reversed ? (DIM - 1) * PITCH : 0) + s;
      column.step = reversed ? -PITCH : PITCH;
      inverse_transform(column, weights, sum);
      __syncthreads();
    }
    for (int task = threadIdx.x; task < n_tile * DIM; task += THREADS) {
      int i = TRANSFORMS % 2 ? task % DIM : DIM - 1 - task % DIM;
      out[start * DIM + task] = rows[i * PITCH + task / DIM];
    }
    for (int v = 0; v < PER; v++) if (s + v < n_tile) log_det[start + s + v] = sum[v];
    __syncthreads();
  }
}
