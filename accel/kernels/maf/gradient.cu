// The gradient of a masked autoregressive flow's loss (made.to_gaussian_backward and made.Flow.walk_back) in
// one launch for all its transforms, for models side by side.
//
// A block takes a tile forward through the whole flow (kernels/maf/forward.cuh), keeps what the backward pass
// needs in shared memory, and goes back through the transforms. A layer's gradient and its transposed product
// are one phase, since neither reads what the other writes. The gradient is summed over the tile in registers
// and written once, to the block's own part of `partial`: no atomics, the same bits in every run. A block
// that has several tiles adds to its part.
//
// Bound by: for small batches the chain of phases, LAST + 1 forward and LAST + 1 backward for each transform,
// with a barrier after each; for large ones shared-memory loads. Operations per sample: six for each allowed
// weight (3-50-50-6 with 10 features of context, 5 transforms: 72,540, and 83,040 with the groups filled up),
// besides 515 tanh. Bytes in float32: per sample 4 (DIM + CONTEXT + 1), per block the parameters and as many
// numbers of its part (17,780 each, 142 kB), which stay in the second-level cache; a further tile of the
// block reads and writes its part again. Shared memory of that flow: 115 kB for a tile of 8 with all
// parameters, 184 kB for one of 56 with those of one transform.
//
// Limits: those of kernels/maf/density.cu.
// Compiled in the tests with DIM=3 CONTEXT=10 TRANSFORMS=5 HIDDEN_0=50 HIDDEN_1=50 BOUND=7.0 UNITS=4
// Compiled in the tests with TILE=32 PITCH=36 THREADS=256 RESIDENT=1
#include "kernels/maf/forward.cuh"

typedef Rows<true> Kept;

// The cotangents of a layer's columns; those of the last layer have two copies, which transforms use in turn
__device__ __forceinline__ real* d_rows(real* rows, int k, int l) {
  return rows + (Kept::d + columns_of(l) + (l == LAST && k % 2 ? width(LAST) : 0)) * PITCH;
}

// From dz and dlog_det of one dimension to dμ = −dz/σ and da = −(dz z + dlog_det)(1 − tanh²(a/S)), from made
// (4) to (6)
__device__ __forceinline__ void to_gaussian_backward(real* rows, int k, int i, int s, real dz,
                                                     real dlog_det) {
  real tanh_a = rows[(Kept::tanh_a + k * DIM + i) * PITCH + s];
  real shrink = rows[(Kept::shrink + k * DIM + i) * PITCH + s];
  real z = Kept::x_of(rows, k + 1)[(k + 1 < TRANSFORMS ? DIM - 1 - i : i) * PITCH + s];
  real* d = d_rows(rows, k, LAST) + 2 * i * PITCH + s;
  d[0] = -dz * shrink;
  d[PITCH] = (dz * z + dlog_det) * (tanh_a * tanh_a - 1);
}

// The gradient of UNITS² weights of a layer: rows first + UNITS m, so that neighbouring threads read
// different banks, times the columns of one group; masked weights have none, made (3)
template <int L>
__device__ __forceinline__ void layer_gradient(int task, real* rows, int k, real* dflat, bool add) {
  constexpr int GROUPS = width(L) / UNITS, N = n_out(L);
  int first = task / (UNITS * GROUPS) * UNITS * UNITS + task % UNITS, c = task / UNITS % GROUPS * UNITS;
  const real *d = d_rows(rows, k, L) + c * PITCH, *present = rows + Kept::present * PITCH, *in[UNITS];
  real sum[UNITS][UNITS] = {};
  for (int m = 0; m < UNITS; m++) {
    int r = first + UNITS * m;
    in[m] = r == 0 || r > n_in(L) ? present
      : L ? Kept::hidden_rows(rows, k, L ? L - 1 : 0) + (r - 1) * PITCH
      : r <= CONTEXT ? rows + (Kept::context + r - 1) * PITCH
      : Kept::x_of(rows, k) + (r - 1 - CONTEXT) * PITCH;
  }
  int seen = shape.seen[L][c + UNITS - 1];
  if (first <= seen) {
#pragma unroll 1
    for (int s = 0; s < TILE; s += 4) {
      Vec<4> a[UNITS];
      for (int m = 0; m < UNITS; m++) a[m] = load<4>(in[m] + s);
      for (int u = 0; u < UNITS; u++) {
        Vec<4> b = load<4>(d + u * PITCH + s);
        for (int m = 0; m < UNITS; m++)
          for (int v = 0; v < 4; v++) sum[m][u] = fma(a[m].v[v], b.v[v], sum[m][u]);
      }
    }
  }
  int row[UNITS], unit[UNITS];
  for (int m = 0; m < UNITS; m++) row[m] = first + UNITS * m;
  for (int u = 0; u < UNITS; u++) unit[u] = shape.unit[L][c + u];
  real* out = dflat + flat_of(L);
  if (add) {                                                          // all loads come before the first use
    real before[UNITS][UNITS];
#pragma unroll
    for (int m = 0; m < UNITS; m++)
#pragma unroll
      for (int u = 0; u < UNITS; u++) before[m][u] = out[smaller(row[m], n_in(L)) * N + larger(unit[u], 0)];
#pragma unroll
    for (int m = 0; m < UNITS; m++)
#pragma unroll
      for (int u = 0; u < UNITS; u++) sum[m][u] += before[m][u];
  }
#pragma unroll
  for (int u = 0; u < UNITS; u++) {
    int allowed = shape.seen[L][c + u];
#pragma unroll
    for (int m = 0; m < UNITS; m++)
      if (unit[u] >= 0 && row[m] <= n_in(L))
        out[row[m] * N + unit[u]] = row[m] <= allowed ? sum[m][u] : real(0);
  }
}

// Σ_c W[k][c] d[c] for UNITS rows k from `row` on and LANE samples; rows beyond the last are copies of it,
// not used
template <int L>
__device__ __forceinline__ void transposed(Vec<LANE> (&sum)[UNITS], const real* staged, const real* d,
                                           int row, int s) {
  constexpr int W = width(L);
  const real* w[UNITS];
  for (int u = 0; u < UNITS; u++) w[u] = staged + staged_of(L) + (1 + smaller(row + u, n_in(L) - 1)) * W;
  for (int u = 0; u < UNITS; u++) for (int v = 0; v < LANE; v++) sum[u].v[v] = 0;
#pragma unroll (LANE == 1 ? 4 : 1)
  for (int c = shape.from[L][row]; c < W; c += UNITS) {
    Vec<LANE> b[UNITS];
    for (int j = 0; j < UNITS; j++) b[j] = load<LANE>(d + (c + j) * PITCH + s);
    for (int u = 0; u < UNITS; u++) {
      Vec<UNITS> a = load<UNITS>(w[u] + c);
      for (int j = 0; j < UNITS; j++)
        for (int v = 0; v < LANE; v++) sum[u].v[v] = fma(a.v[j], b[j].v[v], sum[u].v[v]);
    }
  }
}

// Which gradients the backward pass writes: of the parameters (dflat, or null), of x, of the context
struct Wanted { real* dflat; bool add, dx, dcontext; };

// One layer back: its gradient, and the cotangents of the layer below; below the first layer is the transform
// before. dx replaces x. A sample's dlog_det is `scale`, or zero beyond the batch.
template <int L>
__device__ __forceinline__ void backward_layer(real* rows, const real* staged, int k, real scale,
                                               const Wanted& wanted) {
  const real* d = d_rows(rows, k, L);
  int n_below = (L ? over(n_in(L), UNITS) : k || wanted.dx ? over(DIM, UNITS) : 0) * LANES;
  int n_context = L == 0 && wanted.dcontext ? over(CONTEXT, UNITS) * LANES : 0;
  int n_gradient = wanted.dflat ? width(L) * over(1 + n_in(L), UNITS * UNITS) : 0;
  for (int task = threadIdx.x; task < n_below + n_context + n_gradient; task += THREADS) {
    if (task >= n_below + n_context) {
      layer_gradient<L>(task - n_below - n_context, rows, k, wanted.dflat + k * N_FLAT, wanted.add);
      continue;
    }
    bool below = task < n_below;
    int t = below ? task : task - n_below, s = t % LANES * LANE, row = t / LANES * UNITS;
    Vec<LANE> sum[UNITS];
    transposed<L>(sum, staged, d, L == 0 && below ? CONTEXT + row : row, s);
    if (L) {
      const real* h = Kept::hidden_rows(rows, k, L ? L - 1 : 0) + row * PITCH + s;
#pragma unroll
      for (int u = 0; u < UNITS; u++) {
        if (row + u >= n_in(L)) continue;
        Vec<LANE> value = load<LANE>(h + u * PITCH);
        for (int v = 0; v < LANE; v++) sum[u].v[v] *= 1 - value.v[v] * value.v[v];
        int l = L ? L - 1 : 0;
        store<LANE>(d_rows(rows, k, l) + shape.column[l][row + u] * PITCH + s, sum[u]);
      }
    } else if (below) {
#pragma unroll
      for (int u = 0; u < UNITS; u++)
#pragma unroll
        for (int v = 0; v < LANE; v++) {
          int i = row + u;
          if (i >= DIM) continue;
          real dz = sum[u].v[v] - d_rows(rows, k, LAST)[2 * i * PITCH + s + v];
          const real* present = rows + Kept::present * PITCH + s + v;
          if (k) to_gaussian_backward(rows, k - 1, DIM - 1 - i, s + v, dz, *present * scale);
          else Kept::x_of(rows, 0)[i * PITCH + s + v] = dz;
        }
    } else {
      real* dc = rows + (Kept::dcontext + row) * PITCH + s;
#pragma unroll
      for (int u = 0; u < UNITS; u++)
        for (int v = 0; v < LANE; v++) if (row + u < CONTEXT) dc[u * PITCH + v] += sum[u].v[v];
    }
  }
  __syncthreads();
  if constexpr (L > 0) backward_layer<L - 1>(rows, staged, k, scale, wanted);
}

// From the log-density back to the first layer: dz = −scale z and dlog_det = scale, from maf (3)
__device__ __forceinline__ void backward_tile(const real* flat, real* staged, real* rows, real scale,
                                              const Wanted& wanted) {
  for (int task = threadIdx.x; task < DIM * TILE; task += THREADS) {
    int s = task % TILE, i = task / TILE;
    real dlog_det = rows[Kept::present * PITCH + s] * scale;
    real dz = -dlog_det * Kept::x_of(rows, TRANSFORMS)[i * PITCH + s];
    to_gaussian_backward(rows, TRANSFORMS - 1, i, s, dz, dlog_det);
  }
  __syncthreads();
  for (int k = TRANSFORMS - 1; k >= 0; k--) {
    if (!RESIDENT && k < TRANSFORMS - 1) {
      stage_layers<1>(flat + (long long)k * N_FLAT, staged);
      __syncthreads();
    }
    backward_layer<LAST>(rows, weights(staged, k), k, scale, wanted);
  }
}

// Zeros in `value` and all cotangents; columns of no unit keep them
__device__ __forceinline__ void clear(real* value) {
  for (int task = threadIdx.x; task < (Kept::end - Kept::value) * PITCH; task += THREADS) value[task] = 0;
}

// The loss and its gradient, maf (5): this block's share of it, into partial[model][block]; with
// want_dcontext the gradient of the context, (CONTEXT, n_batch)
extern "C" __global__ void __launch_bounds__(THREADS, 1)
gradient(const real* __restrict__ flat, const real* __restrict__ x, const real* __restrict__ context,
         const int* __restrict__ chosen, const int* __restrict__ cursor, int n_steps, int n_batch,
         real* __restrict__ partial, real* __restrict__ losses, real* __restrict__ dcontext,
         int want_dcontext) {
  DYN_SHARED(real, rows);
  real *value = rows + Kept::value * PITCH, *staged = rows + Kept::end * PITCH;
  real share = real(1) / n_batch;
  flat += (long long)blockIdx.y * TRANSFORMS * N_FLAT;
  partial += ((long long)blockIdx.y * gridDim.x + blockIdx.x) * TRANSFORMS * N_FLAT;
  chosen += ((long long)blockIdx.y * n_steps + cursor[0]) * n_batch;
  stage_all(flat, staged);
  clear(value);
  const long long stride = (long long)gridDim.x * TILE;
  for (long long start = (long long)blockIdx.x * TILE; start < n_batch; start += stride) {
    for (int s = threadIdx.x; s < TILE; s += THREADS) rows[Kept::present * PITCH + s] = start + s < n_batch;
    auto row = [=](int s) { return (long long)chosen[row_or_last(start + s, n_batch - 1)]; };
    fetch<true>(x, context, rows, row);
    forward_tile<true>(flat, staged, rows);
    for (int s = threadIdx.x; s < TILE && start + s < n_batch; s += THREADS)
      value[s] += minus_log_prob<true>(rows, s);
    bool add = start > (long long)blockIdx.x * TILE;
    backward_tile(flat, staged, rows, -share, {partial, add, false, want_dcontext != 0});
    if (want_dcontext) {
      for (int task = threadIdx.x; task < CONTEXT * TILE; task += THREADS) {
        int s = task % TILE, j = task / TILE;
        real* dc = rows + (Kept::dcontext + j) * PITCH + s;
        if (start + s < n_batch) dcontext[(long long)j * n_batch + start + s] = *dc;
        *dc = 0;
      }
      __syncthreads();
    }
  }
  bool idle = (long long)blockIdx.x * TILE >= n_batch;                // a block without a tile
  if (idle) for (int j = threadIdx.x; j < TRANSFORMS * N_FLAT; j += THREADS) partial[j] = 0;
  write_loss(value, losses, n_batch);
}

// log p, and its gradients with respect to x and the context, row by row
extern "C" __global__ void __launch_bounds__(THREADS, 1)
score(const real* __restrict__ flat, const real* __restrict__ x, const real* __restrict__ context,
      real* __restrict__ out, real* __restrict__ dx, real* __restrict__ dcontext, long long n) {
  DYN_SHARED(real, rows);
  real *value = rows + Kept::value * PITCH, *staged = rows + Kept::end * PITCH;
  stage_all(flat, staged);
  for (long long start = (long long)blockIdx.x * TILE; start < n; start += (long long)gridDim.x * TILE) {
    clear(value);
    for (int s = threadIdx.x; s < TILE; s += THREADS) rows[Kept::present * PITCH + s] = 1;
    fetch<true>(x, context, rows, [=](int s) { return row_or_last(start + s, n - 1); });
    forward_tile<true>(flat, staged, rows);
    for (int s = threadIdx.x; s < TILE && start + s < n; s += THREADS)
      out[start + s] = -minus_log_prob<true>(rows, s);
    backward_tile(flat, staged, rows, 1, {nullptr, false, true, CONTEXT > 0});
    for (int task = threadIdx.x; task < TILE * DIM; task += THREADS)
      if (start + task / DIM < n)
        dx[start * DIM + task] = Kept::x_of(rows, 0)[task % DIM * PITCH + task / DIM];
    for (int task = threadIdx.x; task < TILE * CONTEXT; task += THREADS) {
      int s = task / larger(CONTEXT, 1), j = task % larger(CONTEXT, 1);
      if (start + s < n) dcontext[start * CONTEXT + task] = rows[(Kept::dcontext + j) * PITCH + s];
    }
    __syncthreads();
  }
}
