// RealNVP's density and samples, and the loss of many models side by side; see realnvp.cuh.
// Compiled in the tests with DIM=2 CONTEXT=3 HIDDEN=64,64 TRANSFORMS=6 KEEP=0 STAGED=1 TILE=64
#include "kernels/realnvp/realnvp.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1)
forward(const real* flat, const real* x, const real* context, long long n, long long each, real* z, real* log_det) {
  over_tiles(flat, x, context, n, each, [=](long long first, int live) {
    real sum = walk<false>(flat);
    write(0, z, first, live);
    if (threadIdx.x < live) log_det[first + threadIdx.x] = sum;
  });
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
inverse(const real* flat, const real* z, const real* context, long long n, long long each, real* x, real* log_det) {
  over_tiles(flat, z, context, n, each, [=](long long first, int live) {
    real sum = walk_inverse(flat);
    write(0, x, first, live);
    if (threadIdx.x < live) log_det[first + threadIdx.x] = -sum;
  });
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
log_prob(const real* flat, const real* x, const real* context, long long n, long long each, real* out) {
  over_tiles(flat, x, context, n, each, [=](long long first, int live) {
    real value = walk<false>(flat) - half_square() - DIM * HALF_LOG_TWO_PI;
    if (threadIdx.x < live) out[first + threadIdx.x] = value;
  });
}

// losses (E, G), as over_batch says
extern "C" __global__ void __launch_bounds__(THREADS, 1)
loss(const real* flat, const real* x, const real* context, const int* chosen, const int* cursor, int steps, int batch, real* losses) {
  over_batch<false>(flat + (long long)blockIdx.y * PARAMETERS, x, context, chosen, cursor, steps, batch, losses,
                    [](int, int) {});
}
