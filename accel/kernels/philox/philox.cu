// The draws of `runtime/philox.py`, written straight into an array. One thread computes one block of the
// counter: four numbers, stored together. Uniforms are bound by memory (4 bytes written per float32, about 26
// integer operations), normals in float64 by arithmetic.
// Compiled in the tests with
#include "kernels/common/philox.cuh"

struct alignas(16) Four { real v[4]; };

__device__ void store(real* out, long long q, long long n, const Four& four) {
  if (4 * q + 4 <= n) reinterpret_cast<Four*>(out)[q] = four;
  else for (int i = 0; 4 * q + i < n; i++) out[4 * q + i] = four.v[i];
}

// (3)
extern "C" __global__ void fill_uniforms(real* out, unsigned long long seed, unsigned long long block,
                                         long long n) {
  long long q = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (4 * q >= n) return;
  Four four;
  four_uniforms(philox(seed, block + q), four.v);
  store(out, q, n, four);
}

// (4)
extern "C" __global__ void fill_normals(real* out, unsigned long long seed, unsigned long long block,
                                         long long n) {
  long long q = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (4 * q >= n) return;
  Four four;
  four_normals(philox(seed, block + q), four.v);
  store(out, q, n, four);
}

__device__ inline unsigned long long joined(unsigned upper, unsigned lower) {
  return (unsigned long long)upper << 32 | lower;
}

// (5): two words (w, w′) for each, low + ⌊span (2³² w + w′) 2⁻⁶⁴⌋
extern "C" __global__ void fill_integers(long long* out, unsigned long long seed, unsigned long long block,
                                         long long n, long long low, unsigned long long span) {
  long long q = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (2 * q >= n) return;
  uint4 w = philox(seed, block + q);
  const unsigned long long from = (unsigned long long)low;
  out[2 * q] = (long long)(from + __umul64hi(joined(w.x, w.y), span));
  if (2 * q + 1 < n) out[2 * q + 1] = (long long)(from + __umul64hi(joined(w.z, w.w), span));
}
