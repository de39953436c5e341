// A score network evaluated for a tile of samples by one block; only its input and output are in device
// memory.
//
// Samples lie along the lanes: arrays are [row][TILE] in shared memory. A thread computes UNITS units of
// SAMPLES_EACH samples in registers: for each unit of the layer below it reads UNITS weights and SAMPLES_EACH
// numbers (16 bytes at a time, most of them shared by a warp) for UNITS · SAMPLES_EACH multiply-adds, four
// shared-memory wavefronts for 64 (float) or 32 (double) of them: arithmetic bounds it. All units of a layer
// are in registers together, so a layer overwrites the one below. The last hidden layer is not stored: each
// thread multiplies its units by the last layer's weights, and the sums over units meet by shuffles and one
// small array.
//
// The weights are packed: layer k has rows [b; W] of padded(k + 1) numbers, zero beyond its width; the last
// layer has its bias, padded, and then for each output a row of padded weights. STAGED: they are copied to
// shared memory first. UNITS and LANES are those of layout.py.
#include "kernels/common/real.cuh"
#include "kernels/score/widths.cuh"

constexpr int VECTOR = 16 / sizeof(real), SAMPLES_EACH = 2 * VECTOR;
constexpr int WARPS_ALONG = TILE / (LANES * SAMPLES_EACH);            // warps along the samples
constexpr int WARPS_ACROSS = over(over(widest(), UNITS), 32 / LANES); // and across the units
constexpr int BLOCK = 32 * WARPS_ALONG * WARPS_ACROSS;
static_assert(TILE % (LANES * SAMPLES_EACH) == 0 && BLOCK <= 1024, "no such tile");

__host__ __device__ constexpr int padded(int n) { return over(n, UNITS) * UNITS; }

// where layer k starts in the packed weights; layer LAYERS starts where they end
__host__ __device__ constexpr int packed_at(int k) {
  int p = 0;
  for (int i = 0; i < k && i < LAYERS - 1; i++) p += (1 + width(i)) * padded(width(i + 1));
  return k < LAYERS ? p : p + padded(DIM) + DIM * padded(width(LAYERS - 1));
}

__host__ __device__ constexpr int stored_rows() {
  int rows = WARPS_ACROSS * DIM;
  for (int k = 1; k < LAYERS - 1; k++) rows = padded(width(k)) > rows ? padded(width(k)) : rows;
  return rows;
}

struct alignas(16) Vector { real v[VECTOR]; };

template <int N> __device__ __forceinline__ void get(const real* from, real* to) {
  #pragma unroll
  for (int i = 0; i < N; i += VECTOR) {
    Vector read = *reinterpret_cast<const Vector*>(from + i);
    #pragma unroll
    for (int j = 0; j < VECTOR; j++) to[i + j] = read.v[j];
  }
}

// The units and samples of this thread: UNITS from `unit`, VECTOR from `sample` and VECTOR more half a tile
// further.
struct Place {
  int unit, sample, across;
  __device__ Place() {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    across = warp / WARPS_ALONG;
    unit = (across * (32 / LANES) + lane / LANES) * UNITS;
    sample = (warp % WARPS_ALONG * LANES + lane % LANES) * VECTOR;
  }
};

__device__ __forceinline__ void get_samples(const real* row, int sample, real* to) {
  get<VECTOR>(row + sample, to);
  get<VECTOR>(row + sample + TILE / 2, to + VECTOR);
}

__device__ __forceinline__ void put_samples(real* row, int sample, const real* from) {
  #pragma unroll
  for (int half = 0; half < 2; half++) {
    Vector written;
    #pragma unroll
    for (int j = 0; j < VECTOR; j++) written.v[j] = from[half * VECTOR + j];
    *reinterpret_cast<Vector*>(row + sample + half * (TILE / 2)) = written;
  }
}

// h = tanh([b; W]ᵀ [1; in]) of layer K for this thread's units and samples; zero for units beyond the layer
template <int K> __device__ __forceinline__
void hidden_units(const real* layer, const real* in, Place at, real (&h)[UNITS][SAMPLES_EACH]) {
  constexpr int stride = padded(width(K + 1));
  real w[UNITS], a[SAMPLES_EACH];
  #pragma unroll
  for (int u = 0; u < UNITS; u++)
    #pragma unroll
    for (int s = 0; s < SAMPLES_EACH; s++) h[u][s] = 0;
  if (at.unit >= stride) return;
  const real* row = layer + at.unit;
  get<UNITS>(row, w);
  #pragma unroll
  for (int u = 0; u < UNITS; u++)
    #pragma unroll
    for (int s = 0; s < SAMPLES_EACH; s++) h[u][s] = w[u];
  #pragma unroll 4
  for (int k = 0; k < width(K); k++) {
    row += stride;
    get<UNITS>(row, w);
    get_samples(in + k * TILE, at.sample, a);
    #pragma unroll
    for (int u = 0; u < UNITS; u++)
      #pragma unroll
      for (int s = 0; s < SAMPLES_EACH; s++) h[u][s] += w[u] * a[s];
  }
  #pragma unroll
  for (int u = 0; u < UNITS; u++)
    #pragma unroll
    for (int s = 0; s < SAMPLES_EACH; s++) h[u][s] = tanh(h[u][s]);
}

// Hidden layers from K on, and this block's part of the outputs: on return, output d of sample s is
// last_bias[d] plus the sum over w < WARPS_ACROSS of stored[(w · DIM + d) · TILE + s]. All threads call it
// together; a barrier stands between the writes of `in` and the call.
template <int K> __device__ __forceinline__
void evaluate(const real* weights, const real* in, real* stored, Place at) {
  real h[UNITS][SAMPLES_EACH];
  hidden_units<K>(weights + packed_at(K), in, at, h);
  if (K > 0) __syncthreads();                                         // all have read what is overwritten now
  if constexpr (K < LAYERS - 2) {
    if (at.unit < padded(width(K + 1)))
      #pragma unroll
      for (int u = 0; u < UNITS; u++) put_samples(stored + (at.unit + u) * TILE, at.sample, h[u]);
    __syncthreads();
    evaluate<K + 1>(weights, stored, stored, at);
  } else {
    const real* last = weights + packed_at(LAYERS - 1) + padded(DIM) + at.unit;
    const bool inside = at.unit < padded(width(K + 1));
    for (int d = 0; d < DIM; d++, last += padded(width(K + 1))) {
      real w[UNITS] = {}, sum[SAMPLES_EACH] = {};
      if (inside) get<UNITS>(last, w);
      #pragma unroll
      for (int u = 0; u < UNITS; u++)
        #pragma unroll
        for (int s = 0; s < SAMPLES_EACH; s++) sum[s] += w[u] * h[u][s];
      #pragma unroll
      for (int s = 0; s < SAMPLES_EACH; s++)
        #pragma unroll
        for (int o = LANES; o < 32; o *= 2) sum[s] += __shfl_xor_sync(0xffffffffu, sum[s], o);
      if (threadIdx.x % 32 < LANES) put_samples(stored + (at.across * DIM + d) * TILE, at.sample, sum);
    }
    __syncthreads();
  }
}

__device__ __forceinline__ real output(const real* weights, const real* stored, int d, int s) {
  real sum = weights[packed_at(LAYERS - 1) + d];
  #pragma unroll
  for (int w = 0; w < WARPS_ACROSS; w++) sum += stored[(w * DIM + d) * TILE + s];
  return sum;
}

// The weights where the block reads them: in shared memory from `room` on, or where they are. A barrier must
// follow.
__device__ __forceinline__ const real* staged(const real* weights, real* room) {
  if constexpr (STAGED) {
    for (int i = threadIdx.x * VECTOR; i < packed_at(LAYERS); i += BLOCK * VECTOR)
      *reinterpret_cast<Vector*>(room + i) = *reinterpret_cast<const Vector*>(weights + i);
    return room;
  } else {
    return weights;
  }
}
