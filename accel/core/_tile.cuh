// Networks over a tile of samples. A block holds TILE samples; arrays are feature-major in shared memory, [row][sample], so that
// lanes of a warp are samples; all THREADS threads of the block call each function together. A layer is the matrix [b; W], (1 + n_in,
// n_out), of the flat parameters, read through the cache, each weight for all lanes at once. Barriers stand at the end of each function.
#include "core/_common.cuh"

#ifndef TILE
#define TILE 32
#endif
#ifndef THREADS
#define THREADS 256
#endif

constexpr int UNITS = 4;                                              // outputs that one thread computes together

// out[j][s] = f(b[j] + Σ_k W[k][j] in[k][s]), f the identity
template <class F> __device__ void dense(const real* layer, int n_in, int n_out, const real* in, real* out, F f) {
  for (int task = threadIdx.x; task < over(n_out, UNITS) * TILE; task += THREADS) {
    int s = task % TILE, j0 = task / TILE * UNITS;
    real sum[UNITS];
    for (int u = 0; u < UNITS; u++) sum[u] = j0 + u < n_out ? layer[j0 + u] : real(0);
    const real* row = layer + n_out + j0;
    if (j0 + UNITS <= n_out) {
      for (int k = 0; k < n_in; k++, row += n_out) {
        real a = in[k * TILE + s];
        for (int u = 0; u < UNITS; u++) sum[u] += row[u] * a;
      }
    } else {
      for (int k = 0; k < n_in; k++, row += n_out) {
        real a = in[k * TILE + s];
        for (int u = 0; u < UNITS; u++) if (j0 + u < n_out) sum[u] += row[u] * a;
      }
    }
    for (int u = 0; u < UNITS; u++) if (j0 + u < n_out) out[(j0 + u) * TILE + s] = f(sum[u], j0 + u, s);
  }
  __syncthreads();
}

// din[k][s] = f(Σ_j W[k][j] dout[j][s], k, s) for k from first on
template <class F> __device__ void dense_transposed(const real* layer, int n_in, int n_out, int first, const real* dout, real* din, F f) {
  for (int task = threadIdx.x; task < (n_in - first) * TILE; task += THREADS) {
    int s = task % TILE, k = first + task / TILE;
    const real* row = layer + (1 + k) * n_out;
    real sum = 0;
    for (int j = 0; j < n_out; j++) sum += row[j] * dout[j * TILE + s];
    din[k * TILE + s] = f(sum, k, s);
  }
  __syncthreads();
}

// dlayer[0][j] (+)= Σ_s dout[j][s], dlayer[1 + k][j] (+)= Σ_s in[k][s] dout[j][s]; lanes start at different samples, so that they read
// different banks. Samples beyond the batch must have dout = 0.
__device__ void dense_gradient(real* dlayer, int n_in, int n_out, const real* in, const real* dout, bool add) {
  for (int task = threadIdx.x; task < (1 + n_in) * n_out; task += THREADS) {
    int k = task / n_out - 1, j = task % n_out;
    real sum = 0;
    for (int i = 0; i < TILE; i++) {
      int s = (i + threadIdx.x) % TILE;
      sum += (k < 0 ? real(1) : in[k * TILE + s]) * dout[j * TILE + s];
    }
    dlayer[task] = add ? dlayer[task] + sum : sum;
  }
  __syncthreads();
}
