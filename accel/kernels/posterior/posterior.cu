// From a flow's whitened draws to parameters, in place: θ = T⁻¹(m + L v), (8) of inference/npe.py.
//
// The columns of the prior are independent, each uniform, normal or log-normal. m is the regression's mean
// for the observation of a row, L is lower triangular. A thread has a row; a block's rows and L are in shared
// memory, so that the device's memory is read and written once, coalesced. The columns go from the last to
// the first, since u_j needs v_k for k up to j alone: no row is held twice.
//
// Bytes for a row: 2 DIM numbers; operations: DIM² + about 30 DIM for a box (erfc). Memory bounds it.
// Limits: rows of up to about 200 columns, by the shared memory.
// Macros: DIM columns, ROWS of a block, and the kinds of columns KIND_UNIFORM, KIND_NORMAL,
// KIND_LOG_NORMAL.
// Compiled in the tests with DIM=12 ROWS=128 KIND_UNIFORM=0 KIND_NORMAL=1 KIND_LOG_NORMAL=2
#include "kernels/common/real.cuh"

constexpr int STRIDE = DIM | 1;                                       // odd: rows in different banks
enum { SCALE, SHIFT, SHIFT_TAIL, TOP, TOP_TAIL, LEAST, MOST, CONSTANTS };             // of a column

__device__ inline real clamp(real v, real least, real most) {
  return v < least ? least : v > most ? most : v;
}

// θ of u, as `priors` computes it: a box from its nearer bound, which is a head and a tail
__device__ inline real constrained(real u, int kind, const real* c) {
  if (kind == KIND_NORMAL) return u * c[SCALE] + c[SHIFT];
  if (kind == KIND_LOG_NORMAL) return clamp(exp(u * c[SCALE] + c[SHIFT]), c[LEAST], c[MOST]);
  bool below = u < real(0);
  real d = normcdf(-abs(u)) * c[SCALE];
  real theta = below ? d + c[SHIFT_TAIL] + c[SHIFT] : -d + c[TOP_TAIL] + c[TOP];
  return clamp(theta, c[LEAST], c[MOST]);
}

extern "C" __global__ void __launch_bounds__(ROWS)
finish(real* v, const real* mean, const real* factor, const int* kinds, const real* constants,
       long long n_rows, int each) {
  DYN_SHARED(real, rows);                                             // [ROWS][STRIDE]
  real* weights = rows + ROWS * STRIDE;                               // [DIM][DIM]
  long long first = (long long)blockIdx.x * ROWS, left = n_rows - first;
  int n = left < ROWS ? int(left) : ROWS;
  real* here = v + first * DIM;
  for (int i = threadIdx.x; i < n * DIM; i += ROWS) rows[i / DIM * STRIDE + i % DIM] = here[i];
  for (int i = threadIdx.x; i < DIM * DIM; i += ROWS) weights[i] = factor[i];
  __syncthreads();
  if (threadIdx.x < n) {
    real* row = rows + threadIdx.x * STRIDE;
    const real* m = mean + (first + threadIdx.x) / each * DIM;
    for (int j = DIM - 1; j >= 0; j--) {
      real u = 0;
      for (int k = 0; k <= j; k++) u += weights[j * DIM + k] * row[k];
      row[j] = constrained(u + m[j], kinds[j], constants + j * CONSTANTS);              // (8)
    }
  }
  __syncthreads();
  for (int i = threadIdx.x; i < n * DIM; i += ROWS) here[i] = rows[i / DIM * STRIDE + i % DIM];
}
