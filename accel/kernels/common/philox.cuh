// The counter-based generator inside kernels: the numbers of `runtime/philox.py`, each from its place alone.
//
//   philox(seed, block)            uint4, the four words of a block, (1)
//   uniform(word)                  (w + ½) 2⁻³², strictly between 0 and 1, (3)
//   normal_pair(word, word, x, y)  two normals of two neighbouring words, (4)
//   four_uniforms(words, u), four_normals(words, z)          the four numbers of a block, into real[4]
//   uniform_at(seed, block, f), normal_at(seed, block, f)    number f of the call that starts at that block,
//                                  for a thread that does not want its neighbours
//
// A kernel that draws in place of `rng.random(shape)` or `rng.standard_normal(shape)` takes seed and block
// from `kernels.philox.launch.place(rng, n)`, which moves rng on by n numbers as the call would. Number f of
// the array (C order) is uniform_at(seed, block, f) or normal_at(seed, block, f). Numbers 4q … 4q+3 share
// block + q: a thread that takes four neighbours calls philox once.
// Operations for four numbers: 38 products of 32 bits (upper and lower halves), 40 exclusive-ors, 18 sums for
// the key; then one fused multiply-add per uniform, or two logarithms, square roots and sine-cosine pairs per
// four normals.
#include "kernels/common/real.cuh"

// (2), ten times
__device__ inline uint4 philox(uint4 c, uint2 key) {
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const unsigned m0 = 0xD2511F53u, m1 = 0xCD9E8D57u;     // 32-bit halves, no products of 64 bits
    c = make_uint4(__umulhi(m1, c.z) ^ c.y ^ key.x, m1 * c.z, __umulhi(m0, c.x) ^ c.w ^ key.y, m0 * c.x);
    key.x += 0x9E3779B9u;
    key.y += 0xBB67AE85u;
  }
  return c;
}

__device__ inline uint4 philox(unsigned long long seed, unsigned long long block) {
  const uint4 counter = make_uint4(unsigned(block), unsigned(block >> 32), 0, 0);                       // (1)
  return philox(counter, make_uint2(unsigned(seed), unsigned(seed >> 32)));
}

// (3); float32 would round the highest words to one
__device__ inline real uniform(unsigned word) {
  const real below_one = sizeof(real) == 4 ? real(0.999999940395355224609375) : real(1);
  real u = fma(real(word), real(2.3283064365386963e-10), real(1.16415321826934814e-10));
  return u < below_one ? u : below_one;
}

// (4): √(−2 log u), from the smaller of u and 1 − u, both of which a word holds exactly
__device__ inline real radius(unsigned word) {
  bool above = word >> 31;
  real smaller = (real(above ? ~word : word) + real(0.5)) * real(2.3283064365386963e-10);
  return sqrt(real(-2) * (above ? log1p(-smaller) : log(smaller)));
}

// (4): the angle lies between −π and π, where a float32 resolves it better than up to 2π
__device__ inline void normal_pair(unsigned first, unsigned second, real& x, real& y) {
  real r = radius(first), sine, cosine;
  sincospi((real(int(second)) + real(0.5)) * real(4.6566128730773926e-10), &sine, &cosine);
  x = r * cosine;
  y = r * sine;
}

__device__ inline void four_uniforms(uint4 w, real* u) {
  u[0] = uniform(w.x); u[1] = uniform(w.y); u[2] = uniform(w.z); u[3] = uniform(w.w);
}

__device__ inline void four_normals(uint4 w, real* z) {
  normal_pair(w.x, w.y, z[0], z[1]);
  normal_pair(w.z, w.w, z[2], z[3]);
}

__device__ inline real uniform_at(unsigned long long seed, unsigned long long block, unsigned long long f) {
  uint4 w = philox(seed, block + f / 4);
  unsigned i = unsigned(f) % 4;
  return uniform(i == 0 ? w.x : i == 1 ? w.y : i == 2 ? w.z : w.w);
}

__device__ inline real normal_at(unsigned long long seed, unsigned long long block, unsigned long long f) {
  uint4 w = philox(seed, block + f / 4);
  bool later = f & 2;
  real x, y;
  normal_pair(later ? w.z : w.x, later ? w.w : w.y, x, y);
  return f & 1 ? y : x;
}
