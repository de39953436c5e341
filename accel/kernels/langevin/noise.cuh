// The noise of Langevin's steps, for a block that holds CHAINS chains of DIM numbers: a row of an array
// (steps, N, D), or drawn here: number f of a step's N D is number f of the counter generator from its block
// start + t ⌈N D/4⌉ on.
#include "kernels/common/philox.cuh"

struct Noise {
  const real* given;                                                  // null where it is drawn
  unsigned long long seed, block;
};

// z of one step for the chains from `first` on, a multiple of four, into z[chain · DIM + d]; a barrier must
// follow
template <int CHAINS, int THREADS_OF_BLOCK> __device__ __forceinline__
void draw(Noise noise, int step, long long first, int n, real* z) {
  const long long from = first * DIM, all = (long long)n * DIM;
  if (noise.given) {
    for (int f = threadIdx.x; f < CHAINS * DIM; f += THREADS_OF_BLOCK)
      z[f] = from + f < all ? noise.given[step * all + from + f] : real(0);
    return;
  }
  const unsigned long long block = noise.block + step * ((all + 3) / 4) + from / 4;
  for (int q = threadIdx.x; q < CHAINS * DIM / 4; q += THREADS_OF_BLOCK)
    four_normals(philox(noise.seed, block + q), z + 4 * q);
}
