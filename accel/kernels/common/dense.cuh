// Dense layers over a tile of samples, for networks whose sizes are compiled in.
//
// A block holds a tile in shared memory, feature-major: a row has LD numbers (the pitch), of which TILE are
// samples. A layer's inputs follow a row of ones, so that its bias is a weight like the others: a layer is
// the matrix L = [b; W], (1 + n_in, n_out), whose rows are `stride(n_out)` apart. All THREADS threads call
// each function together; each ends with a barrier.
//
// A thread multiplies 4 rows by 4 samples in registers: 16 multiply-adds for two loads of 16 bytes. If a
// layer has too little work for all threads, up to 4 neighbours of a warp share a sum and exchange their
// parts in a fixed order. LD / 4 is odd, so that neighbouring rows start in different banks. STAGED says that
// the layers are staged in shared memory (accel/kernels/plan.py).
#include "kernels/common/real.cuh"

#ifndef THREADS
#define THREADS 256
#endif
#ifndef STAGED
#define STAGED 0
#endif

constexpr int LD = TILE / 4 % 2 ? TILE : TILE + 4, GROUPS = TILE / 4; // of samples

struct alignas(16) Four { real v[4]; };

__device__ Four& four(real* row, int s) { return *reinterpret_cast<Four*>(row + s); }
__device__ const Four& four(const real* row, int s) { return *reinterpret_cast<const Four*>(row + s); }

// Numbers from one row of a layer to the next: as in the flat parameters or, if staged, aligned and in
// different banks
__host__ __device__ constexpr int stride(int n_out) { return STAGED ? 4 * (over(n_out, 4) | 1) : n_out; }
__host__ __device__ constexpr int size_of(int n_in, int n_out) { return (1 + n_in) * stride(n_out); }

// Stage a layer: its rows are filled up with zeros
__device__ void stage(const real* layer, int n_in, int n_out, real* to) {
#pragma unroll 8
  for (int i = threadIdx.x; i < size_of(n_in, n_out); i += THREADS) {
    int row = i / stride(n_out), j = i % stride(n_out);
    to[i] = j < n_out ? layer[row * n_out + j] : real(0);
  }
}

// 4 weights of a row, zeros beyond its end
__device__ Four weights(const real* row, int j, int n_out) {
  if constexpr (STAGED) return four(row, j);
  else {
    Four w;
    for (int u = 0; u < 4; u++) w.v[u] = j + u < n_out ? row[j + u] : real(0);
    return w;
  }
}

// The number of neighbours that share a sum, for rows · TILE sums of `terms` terms; 1 if they would not be a
// power of 2 apart
__host__ __device__ constexpr int sharing(int rows, int terms) {
  int n = 1;
  while (n < 4 && 2 * n <= terms && 2 * n * over(rows, 4) * GROUPS <= THREADS && 32 % (2 * n * GROUPS) == 0)
    n *= 2;
  return n;
}

// store(Σ_i w_i in[i][s], row, s) for `rows` rows, in pieces of 4 samples; weights_of(row, i) gives w_i of 4
// rows
template <int SHARING, class W, class Store>
__device__ void product(int rows, int terms, const real* in, W weights_of, Store store) {
  const int tasks = over(rows, 4) * SHARING * GROUPS;
  for (int task = threadIdx.x; task < over(tasks, 32) * 32; task += THREADS) {            // by whole warps
    int s = task % GROUPS * 4, part = task / GROUPS % SHARING;
    int row = min(task, tasks - 1) / GROUPS / SHARING * 4;
    Four sum[4] = {};
#pragma unroll 4
    for (int i = part; i < terms; i += SHARING) {
      Four w = weights_of(row, i), a = four(in + i * LD, s);
      for (int u = 0; u < 4; u++) for (int v = 0; v < 4; v++) sum[u].v[v] += w.v[u] * a.v[v];
    }
    int mine = 4;                                                     // rows left to this thread
#pragma unroll
    for (int other = SHARING / 2; other; other /= 2) {
      mine /= 2;
      bool upper = part & other;
      for (int u = 0; u < mine; u++) for (int v = 0; v < 4; v++) {
        real kept = upper ? sum[u + mine].v[v] : sum[u].v[v];
        real given = upper ? sum[u].v[v] : sum[u + mine].v[v];
        sum[u].v[v] = kept + __shfl_xor_sync(0xffffffffu, given, other * GROUPS);
      }
      row += upper ? mine : 0;
    }
    for (int u = 0; u < mine; u++) if (row + u < rows && task < tasks) store(sum[u], row + u, s);
  }
  __syncthreads();
}

// out[j] = f(Σ_k L[k][j] in[k], j, s), with in[0] the row of ones; the sizes are at most MOST_IN and
// MOST_OUT; out may not be in
template <int MOST_IN, int MOST_OUT, class F>
__device__ void dense(const real* layer, int n_in, int n_out, const real* in, real* out, F f) {
  product<sharing(MOST_OUT, 1 + MOST_IN)>(
      n_out, 1 + n_in, in, [=](int j, int k) { return weights(layer + k * stride(n_out), j, n_out); },
      [=](const Four& sum, int j, int s) { four(out + j * LD, s) = f(sum, j, s); });
}

// din[1 + k] = f(Σ_j L[1 + k][j] dout[j], 1 + k, s) for k from `first` on; din may not be dout
template <int MOST_IN, int MOST_OUT, class F>
__device__ void dense_transposed(const real* layer, int n_in, int n_out, int first, const real* dout,
                                 real* din, F f) {
  product<sharing(MOST_IN, MOST_OUT)>(
      n_in - first, n_out, dout,
      [=](int k, int j) {
        Four w;
        for (int u = 0; u < 4; u++) {
          int row = first + k + u < n_in ? first + k + u : n_in - 1;
          w.v[u] = layer[(1 + row) * stride(n_out) + j];
        }
        return w;
      },
      [=](const Four& sum, int k, int s) { four(din + (1 + first + k) * LD, s) = f(sum, 1 + first + k, s); });
}

// dlayer[k][j] = (or +=) Σ_s in[k][s] dout[j][s], its rows n_out apart; samples beyond the batch must have
// dout = 0
__device__ void dense_gradient(real* dlayer, int n_in, int n_out, const real* in, const real* dout,
                               bool add) {
  const int columns = over(n_out, 4);
  for (int task = threadIdx.x; task < over(1 + n_in, 4) * columns; task += THREADS) {
    int k = task / columns * 4, j = task % columns;                   // rows k … k + 3; j, j + columns, …
    real sum[4][4] = {};
#pragma unroll 2
    for (int s = 0; s < TILE; s += 4) {
      Four a[4], d[4];
      for (int u = 0; u < 4; u++) a[u] = four(in + (k + u <= n_in ? k + u : n_in) * LD, s);
      for (int u = 0; u < 4; u++) d[u] = four(dout + (j + u * columns < n_out ? j + u * columns : j) * LD, s);
      for (int u = 0; u < 4; u++)
        for (int w = 0; w < 4; w++)
          for (int v = 0; v < 4; v++) sum[u][w] += a[u].v[v] * d[w].v[v];
    }
    for (int u = 0; u < 4; u++)
      for (int w = 0; w < 4; w++) if (k + u <= n_in && j + w * columns < n_out) {
        real* place = dlayer + (k + u) * n_out + j + w * columns;
        *place = add ? *place + sum[u][w] : sum[u][w];
      }
  }
  __syncthreads();
}
