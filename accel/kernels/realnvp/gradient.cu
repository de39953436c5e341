// RealNVP's gradients: of the loss with respect to the parameters, for models side by side, and of log p by
// row; see realnvp.cuh.
// Compiled in the tests with DIM=2 CONTEXT=3 HIDDEN=64,64 TRANSFORMS=6 BOUND=5.0 TAPES=6 TILE=8 RESIDENT=1
#include "kernels/realnvp/realnvp.cuh"

// This block's share of the gradient of the mean loss into partial (E, G, P): dz = z/B, dlog_det = −1/B, from
// (6), (7). With with_dcontext the gradient of the context goes into dcontext (C, B).
extern "C" __global__ void __launch_bounds__(THREADS, 1)
gradient(const real* flat, const real* x, const real* context, const int* chosen, const int* cursor,
         int steps, int batch, real* partial, real* losses, real* dcontext, int with_dcontext) {
  flat += (long long)blockIdx.y * PARAMETERS;
  partial += ((long long)blockIdx.y * gridDim.x + blockIdx.x) * PARAMETERS;
  bool idle = (long long)blockIdx.x * TILE >= batch;                  // a block without a tile
  if (idle) for (int i = threadIdx.x; i < PARAMETERS; i += THREADS) partial[i] = 0;
  real share = real(1) / batch;
  over_batch<true>(flat, x, context, chosen, cursor, steps, batch, losses, [=](int first, int live) {
    begin_backward(share, live);
    backward(flat, -share, live, partial, first >= (int)gridDim.x * TILE, CONTEXT && with_dcontext);
    if (CONTEXT && with_dcontext) for_each(CONTEXT, [=](int i, int s) {
      if (s < live) dcontext[(long long)(i / LD) * batch + first + s] = dinput(0)[LD + i] + dinput(1)[LD + i];
    });
  });
}

// log p and its gradients, row by row: dz = −z, dlog_det = 1, from (6)
extern "C" __global__ void __launch_bounds__(THREADS, 1)
score(const real* flat, const real* x, const real* context, long long n, long long each, real* out, real* dx,
      real* dcontext) {
  over_tiles(flat, x, context, n, each, [=](long long first, int live) {
    real value = to_gaussian<true>(flat) - half_square() - DIM * HALF_LOG_TWO_PI;         // (6)
    if (threadIdx.x < live) out[first + threadIdx.x] = value;
    begin_backward(-1, TILE);
    backward(flat, 1, TILE, nullptr, false, true);
    write(DX, dx, first, live);
    if (CONTEXT) for (int i = threadIdx.x; i < live * CONTEXT; i += THREADS) {
      int at = (1 + i % PER_CONTEXT) * LD + i / PER_CONTEXT;
      dcontext[first * CONTEXT + i] = dinput(0)[at] + dinput(1)[at];
    }
  });
}
