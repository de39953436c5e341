// RealNVP's density and samples, and the loss of models side by side; see realnvp.cuh.
// Compiled in the tests with DIM=2 CONTEXT=3 HIDDEN=64,64 TRANSFORMS=6 BOUND=5.0 TAPES=1 TILE=64 RESIDENT=1
#include "kernels/realnvp/realnvp.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1)
forward(const real* flat, const real* x, const real* context, long long n, long long each, real* z,
        real* log_det) {
  over_tiles(flat, x, context, n, each, [=](long long first, int live) {
    real sum = to_gaussian<false>(flat);
    write(0, z, first, live);
    if (threadIdx.x < live) log_det[first + threadIdx.x] = sum;
  });
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
inverse(const real* flat, const real* z, const real* context, long long n, long long each, real* x,
        real* log_det) {
  over_tiles(flat, z, context, n, each, [=](long long first, int live) {
    real sum = from_gaussian(flat);
    write(0, x, first, live);
    if (threadIdx.x < live) log_det[first + threadIdx.x] = -sum;
  });
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
log_prob(const real* flat, const real* x, const real* context, long long n, long long each, real* out) {
  over_tiles(flat, x, context, n, each, [=](long long first, int live) {
    real value = to_gaussian<false>(flat) - half_square() - DIM * HALF_LOG_TWO_PI;        // (6)
    if (threadIdx.x < live) out[first + threadIdx.x] = value;
  });
}

// losses (E, G), see over_batch
extern "C" __global__ void __launch_bounds__(THREADS, 1)
loss(const real* flat, const real* x, const real* context, const int* chosen, const int* cursor, int steps,
     int batch, real* losses) {
  flat += (long long)blockIdx.y * PARAMETERS;
  over_batch<false>(flat, x, context, chosen, cursor, steps, batch, losses, [](int, int) {});
}
