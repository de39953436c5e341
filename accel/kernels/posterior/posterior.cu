// From a flow's whitened draws to parameters, `inference/npe.py` (7): θ = T⁻¹(m + L v), in place, for priors that are independent in each
// column: box, normal, log-normal. m is the regression's mean for the observation of a row, L lower triangular.
//
// A thread has a row; a block's rows and L stand in shared memory, so that the device's memory is read and written once, coalesced. The
// columns go from the last to the first, since u_j needs v_k for k up to j alone: no row is held twice.
//
// Bytes for one row: 2 DIM numbers; operations DIM² + about 30 DIM for a box (erfc). So the device's memory bounds it: 0.02 ns a row of 12
// float32 on an H200, where array code passes over the draws about twenty times.
// Limits: rows of up to about 200 columns, by the shared memory.
// Compiled in the tests with DIM=12
#include "kernels/common/real.cuh"

constexpr int ROWS = 128, STRIDE = DIM | 1;                           // odd, so that the rows of a warp lie in different banks
enum { BOX, NORMAL, LOG_NORMAL };
enum { SCALE, SHIFT, SHIFT_TAIL, TOP, TOP_TAIL, LEAST, MOST, CONSTANTS };             // of a column

__device__ inline real clamp(real v, real least, real most) { return v < least ? least : v > most ? most : v; }

// θ of u, as core/priors compute it: a box from its nearer bound, which is a head and a tail where `real` does not hold it
__device__ inline real constrained(real u, int kind, const real* c) {
  if (kind == NORMAL) return u * c[SCALE] + c[SHIFT];
  if (kind == LOG_NORMAL) return clamp(exp(u * c[SCALE] + c[SHIFT]), c[LEAST], c[MOST]);
  bool below = u < real(0);
  real d = normcdf(-abs(u)) * c[SCALE];
  real theta = below ? d + c[SHIFT_TAIL] + c[SHIFT] : -d + c[TOP_TAIL] + c[TOP];
  return clamp(theta, c[LEAST], c[MOST]);
}

extern "C" __global__ void __launch_bounds__(ROWS) finish(real* v, const real* mean, const real* factor, const int* kinds,
                                                          const real* constants, long long n_rows, int each) {
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
      row[j] = constrained(u + m[j], kinds[j], constants + j * CONSTANTS);
    }
  }
  __syncthreads();
  for (int i = threadIdx.x; i < n * DIM; i += ROWS) here[i] = rows[i / DIM * STRIDE + i % DIM];
}
