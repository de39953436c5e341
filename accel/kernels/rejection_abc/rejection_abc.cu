// Rejection ABC: draw θ, simulate x, measure its distance, and keep what is near; (1), (2) and (5) of
// inference/rejection_abc.py.
//
// Every draw is a function of its place alone. So what is rejected never leaves a register, and what is
// accepted can be made again from its number. `mark` leaves one bit for each simulation, a word of WORD bits
// for each thread, with counts for each block; `places` adds the counts up; `collect` makes the accepted rows
// again and writes them in the order of simulation. A launch covers many chunks of the page: chunk after
// chunk, one draw of m rows for each part of the prior, then those of the simulator.
//
// Bound by arithmetic: the generator's turns (one gives four numbers) and the logarithms of the normals; 1/8
// byte is written for each simulation. `collect` costs what `mark` does for each group of 1, 2 or 4
// simulations with an accepted one among them.
//
// Before this file in the source are the simulator and the kinds and widths of the N_CALLS calls that draw
// for it.
// Macros: N_THETA, N_X, N_NOISE, N_CALLS, THREADS of a block, WORD, and the kinds KIND_UNIFORM,
// KIND_NORMAL, KIND_LOG_NORMAL.
// Compiled in the tests with EXAMPLE=1 THREADS=256 WORD=32 KIND_UNIFORM=0 KIND_NORMAL=1 KIND_LOG_NORMAL=2
#include "kernels/common/philox.cuh"

#ifdef EXAMPLE
#define N_THETA 1
#define N_X 1
#define N_NOISE 1
#define N_CALLS 2
namespace call {
__host__ __device__ constexpr int kind(int c) { return c ? KIND_NORMAL : KIND_UNIFORM; }
__host__ __device__ constexpr int width(int c) { return 1; }
}
namespace simulator {
__device__ void simulate(const real* theta, const real* noise, real* x) {
  x[0] = 1 / (theta[0] * sqrt(theta[0])) + 5 * noise[0];
}
}
#endif

// Simulations that together take whole blocks of the counter from every call
__host__ __device__ constexpr int group() {
  int size = 1;
  for (int c = 0; c < N_CALLS; c++) while (size * call::width(c) % 4) size *= 2;
  return size;
}
constexpr int GROUP = group();

// The place of a word's simulations: row, …, row + WORD − 1 of a chunk of m; starts are the counter's blocks
// of its calls
struct Place {
  long long row, m;
  unsigned long long starts[N_CALLS];

  __device__ Place(long long word, unsigned long long block, long long m) : m(m) {
    long long words = (m + WORD - 1) / WORD, chunk = word / words, per_chunk = 0;
    row = word % words * WORD;
#pragma unroll
    for (int c = 0; c < N_CALLS; c++) per_chunk += (m * call::width(c) + 3) / 4;
    unsigned long long start = block + chunk * per_chunk;
#pragma unroll
    for (int c = 0; c < N_CALLS; c++) {
      starts[c] = start;
      start += (m * call::width(c) + 3) / 4;
    }
  }
};

// θ = clip(z · scale + head + tail, lowest, highest): the five rows of the table
__device__ inline real parameter(real z, const real* __restrict__ table, int j, bool exponential) {
  real theta = z * table[j] + table[N_THETA + j] + table[2 * N_THETA + j];
  if (exponential) theta = exp(theta);
  return min(max(theta, table[3 * N_THETA + j]), table[4 * N_THETA + j]);
}

// see(s, theta, x, distance, finite) for simulations first, …, first + GROUP − 1 of the word
template <class F>
__device__ inline void each(const Place& place, int first, unsigned long long seed,
                            const real* __restrict__ table, const real* __restrict__ observation, F see) {
  real four[N_CALLS][4];
#pragma unroll
  for (int s = 0; s < GROUP; s++) {
    real drawn[N_THETA + N_NOISE], theta[N_THETA], x[N_X], squared = 0;
    int n = 0;
    bool finite = true;
#pragma unroll
    for (int c = 0; c < N_CALLS; c++) {
#pragma unroll
      for (int j = 0; j < call::width(c); j++) {
        int f = s * call::width(c) + j;
        if (f % 4 == 0) {
          long long blocks = (place.row + first) / GROUP * (GROUP * call::width(c) / 4) + f / 4;
          uint4 words = philox(seed, place.starts[c] + (unsigned long long)blocks);
          if (call::kind(c) == KIND_UNIFORM) four_uniforms(words, four[c]); else four_normals(words, four[c]);
        }
        drawn[n] = four[c][f % 4];
        if (n < N_THETA) theta[n] = parameter(drawn[n], table, n, call::kind(c) == KIND_LOG_NORMAL);  // (1)
        n++;
      }
    }
    simulator::simulate(theta, drawn + N_THETA, x);
#pragma unroll
    for (int d = 0; d < N_X; d++) {
      real difference = x[d] - observation[d];
      squared += difference * difference;
      finite = finite && isfinite(x[d]);
    }
    real distance = sqrt(squared);                                    // (5)
    see(first + s, theta, x, distance, finite && isfinite(distance));
  }
}

extern "C" __global__ void __launch_bounds__(THREADS)
mark(unsigned* accepted, int* counts, int* failures, real* nearest, const real* __restrict__ table,
     const real* __restrict__ observation, const real* __restrict__ bound, unsigned long long seed,
     unsigned long long block, long long m, long long n_words) {
  __shared__ int n_accepted[THREADS / 32], n_failed[THREADS / 32];
  __shared__ real smallest[THREADS / 32];
  long long word = blockIdx.x * (long long)THREADS + threadIdx.x;
  unsigned bits = 0;
  int failed = 0, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  real least = real(1) / real(0), below = bound[0];
  if (word < n_words) {
    Place place(word, block, m);
    for (int first = 0; first < WORD && place.row + first < m; first += GROUP)
      each(place, first, seed, table, observation,
           [&](int s, const real*, const real*, real distance, bool finite) {
        if (place.row + s < m) {
          if (!finite) failed++;
          else {
            if (distance < below) bits |= 1u << s;                    // (2)
            if (distance < least) least = distance;
          }
        }
      });
    accepted[word] = bits;
  }
  int count = __popc(bits);
  for (int o = 16; o; o >>= 1) {
    count += __shfl_xor_sync(0xffffffffu, count, o);
    failed += __shfl_xor_sync(0xffffffffu, failed, o);
    real other = __shfl_xor_sync(0xffffffffu, least, o);
    least = other < least ? other : least;
  }
  if (lane == 0) { n_accepted[warp] = count; n_failed[warp] = failed; smallest[warp] = least; }
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < THREADS / 32; w++) {
      count += n_accepted[w];
      failed += n_failed[w];
      least = smallest[w] < least ? smallest[w] : least;
    }
    counts[blockIdx.x] = count;
    failures[blockIdx.x] = failed;
    nearest[blockIdx.x] = least;
  }
}

// One block: where each block's rows begin, and in all: rows, failures, the smallest distance
extern "C" __global__ void __launch_bounds__(THREADS)
places(long long* begins, double* totals, const int* counts, const int* failures, const real* nearest,
       long long n) {
  __shared__ long long sums[THREADS], failed[THREADS];
  __shared__ real smallest[THREADS];
  long long share = (n + THREADS - 1) / THREADS, first = threadIdx.x * share;
  long long end = first + share < n ? first + share : n;
  long long sum = 0, bad = 0;
  real least = real(1) / real(0);
  for (long long i = first; i < end; i++) {
    sum += counts[i];
    bad += failures[i];
    least = nearest[i] < least ? nearest[i] : least;
  }
  sums[threadIdx.x] = sum; failed[threadIdx.x] = bad; smallest[threadIdx.x] = least;
  __syncthreads();
  if (threadIdx.x == 0) {
    long long before = 0;
    bad = 0;
    for (int t = 0; t < THREADS; t++) {
      long long own = sums[t];
      sums[t] = before;
      before += own;
      bad += failed[t];
      least = smallest[t] < least ? smallest[t] : least;
    }
    totals[0] = double(before); totals[1] = double(bad); totals[2] = double(least);
  }
  __syncthreads();
  sum = sums[threadIdx.x];
  for (long long i = first; i < end; i++) {
    begins[i] = sum;
    sum += counts[i];
  }
}

extern "C" __global__ void __launch_bounds__(THREADS)
collect(real* thetas, real* xs, real* distances, const unsigned* accepted, const int* counts,
        const long long* begins, const real* __restrict__ table, const real* __restrict__ observation,
        unsigned long long seed, unsigned long long block, long long m, long long n_words) {
  __shared__ int before[THREADS];
  if (counts[blockIdx.x] == 0) return;
  long long word = blockIdx.x * (long long)THREADS + threadIdx.x;
  unsigned bits = word < n_words ? accepted[word] : 0;
  int own = __popc(bits);
  before[threadIdx.x] = own;
  __syncthreads();
  for (int o = 1; o < THREADS; o *= 2) {
    int earlier = threadIdx.x >= o ? before[threadIdx.x - o] : 0;
    __syncthreads();
    before[threadIdx.x] += earlier;
    __syncthreads();
  }
  if (!bits) return;
  long long to = begins[blockIdx.x] + before[threadIdx.x] - own;
  Place place(word, block, m);
  for (int first = 0; first < WORD; first += GROUP) {
    if (!(bits >> first & ((1u << GROUP) - 1))) continue;
    each(place, first, seed, table, observation,
         [&](int s, const real* theta, const real* x, real distance, bool) {
      if (bits >> s & 1) {
        for (int j = 0; j < N_THETA; j++) thetas[to * N_THETA + j] = theta[j];
        for (int d = 0; d < N_X; d++) xs[to * N_X + d] = x[d];
        distances[to++] = distance;
      }
    });
  }
}
