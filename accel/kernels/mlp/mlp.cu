// Dense networks over tiles of samples: nets/dense.py, and the squared error of
// representation/autoencoder.py.
//
//   forward     (2) the output for each row of x
//   vjp         the output, the gradients of ⟨cotangent, output⟩ in shares, and those of x
//   gradient    (3) an autoencoder's loss Σ (x̂ − x)² / BD for a minibatch, and its gradient, in shares
//   loss        (3) that loss alone, in shares
//
// WIDTHS are the units of x, of each layer, and of the output. ACTIVATION follows each layer but the last,
// and but layer number LINEAR (the code of an autoencoder; 0 for none). Parameters are the layers [b; W] in
// turn, read through the cache.
//
// A block takes TILE samples at a time through the network, feature-major in shared memory, [unit][sample],
// rows PITCH numbers apart so that they start in different banks. For a gradient the values of all layers
// stay there; on the way back the cotangents of a layer overwrite its values. Three loops do the work. The
// lanes of a warp are units, so that their weights are neighbours in memory, and each lane has several
// samples:
//
//   dense            a thread has UNITS units of SOME samples; the value of unit k is one load for the warp
//   layer_gradient   a thread has a column of a layer: its cotangents stay in registers, for some of the rows
//   back             a lane has a row, far from the next lane's: each warp transposes 32 rows of COLUMNS
//                    numbers in shared memory
//
// In `gradient` and `loss` blockIdx.y is the model, and `rows` the rows of each of its n_steps minibatches,
// of which number cursor[0] is taken. A block writes the sums over its tiles to its own slice of `partial`
// and `losses`, without atomics: the caller adds the slices in their order, so that a repeated run gives the
// same bits. Samples beyond the batch enter as zeros, and their cotangents are zero.
//
// Work for each sample and weight: one multiply-add forward, two more for a gradient (one for the first
// layer, unless dx is asked for); a tanh for each hidden unit. Bytes: each sample once; for each tile all
// weights from L2, unless they stay in the block's cache; for each block its slice of the gradient, written
// once. Small batches are bound by latency (with K layers K phases forward and 2K − 1 back, a barrier after
// each) and by few blocks; large ones by arithmetic and the loads that feed it. Limits: one tile of 4 samples
// must fit in shared memory, `Architecture.fits` of launch.py.
//
// Compiled in the tests with WIDTHS=64,128,64,2,64,128,64 LINEAR=3 ACTIVATION=TANH TILE=8 PITCH=12
// Compiled in the tests with THREADS=256 COLUMNS=16 LEAK=0.2
#include "kernels/common/real.cuh"

enum Activation { IDENTITY, TANH, RELU, LEAKY_RELU };

constexpr int VECTOR = 16 / sizeof(real), WARPS = THREADS / 32;

__host__ __device__ constexpr int width(int k) { const int w[] = {WIDTHS}; return w[k]; }
__host__ __device__ constexpr int n_layers() {
  const int w[] = {WIDTHS};
  return sizeof(w) / sizeof(w[0]) - 1;
}
constexpr int LAYERS = n_layers(), IN = width(0), OUT = width(LAYERS);
__host__ __device__ constexpr int least(int a, int b) { return a < b ? a : b; }
__host__ __device__ constexpr int most(int a, int b) { return a > b ? a : b; }
// the numbers before layer k in the flat parameters
__host__ __device__ constexpr int offset(int k) {
  int p = 0;
  for (int i = 0; i < k; i++) p += (1 + width(i)) * width(i + 1);
  return p;
}
constexpr int PARAMETERS = offset(LAYERS);
// whether the activation stands before values number k
__host__ __device__ constexpr bool active(int k) { return k > 0 && k < LAYERS && k != LINEAR; }
// the rows before values number k: all values KEPT, or two layers in turn
template <bool KEPT> __host__ __device__ constexpr int row(int k) {
  int rows = 0;
  for (int i = 0; i <= LAYERS; i++)
    if (KEPT) rows += i < k ? width(i) : 0;
    else if (k % 2 && i % 2 == 0) rows = most(rows, width(i));
  return rows;
}
__host__ __device__ constexpr int two_layers() {
  int odd = 0;
  for (int i = 1; i <= LAYERS; i += 2) odd = most(odd, width(i));
  return row<false>(1) + odd;
}

struct alignas(16) Vector { real v[VECTOR]; };

template <int N> __device__ __forceinline__ void get(const real* from, real* to) {
  if constexpr (N % VECTOR == 0) {
#pragma unroll
    for (int i = 0; i < N; i += VECTOR) {
      Vector read = *reinterpret_cast<const Vector*>(from + i);
#pragma unroll
      for (int v = 0; v < VECTOR; v++) to[i + v] = read.v[v];
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) to[i] = from[i];
  }
}

template <int N> __device__ __forceinline__ void set(real* to, const real* from) {
  if constexpr (N % VECTOR == 0) {
#pragma unroll
    for (int i = 0; i < N; i += VECTOR) {
      Vector written;
#pragma unroll
      for (int v = 0; v < VECTOR; v++) written.v[v] = from[i + v];
      *reinterpret_cast<Vector*>(to + i) = written;
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) to[i] = from[i];
  }
}

__device__ __forceinline__ real activated(real a) {
  if (ACTIVATION == TANH) return tanh(a);
  if (ACTIVATION == RELU) return a <= 0 ? real(0) : a;                // NaN stays
  if (ACTIVATION == LEAKY_RELU) return a < 0 ? a * real(LEAK) : a;
  return a;
}

// in terms of the value h
__device__ __forceinline__ real slope(real h) {
  if (ACTIVATION == TANH) return 1 - h * h;
  if (ACTIVATION == RELU) return h > 0 ? real(1) : h;                 // zero, or NaN
  if (ACTIVATION == LEAKY_RELU) return h > 0 ? real(1) : real(LEAK);
  return 1;
}

// Values number K + 1: out[j] = f(b[j] + Σ_k W[k][j] in[k])
template <int K>
__device__ __forceinline__ void dense(const real* __restrict__ layer, const real* in, real* out) {
  constexpr int N = width(K), M = width(K + 1), EACH = over(M * TILE, THREADS);     // numbers for each thread
  constexpr int SOME = EACH >= 8 ? least(8, TILE) : EACH >= VECTOR ? VECTOR : 1;
  constexpr int UNITS = least(VECTOR, over(EACH, SOME)), GROUPS = over(M, UNITS);
  for (int task = threadIdx.x; task < GROUPS * (TILE / SOME); task += THREADS) {
    int g = task % GROUPS, s = task / GROUPS * SOME, j[UNITS];
    real sum[UNITS][SOME], a[SOME];
#pragma unroll
    for (int u = 0; u < UNITS; u++) {
      j[u] = least(g + u * GROUPS, M - 1);
      real bias = layer[j[u]];
#pragma unroll
      for (int v = 0; v < SOME; v++) sum[u][v] = bias;
    }
    const real *w = layer + M, *from = in + s;
#pragma unroll 4
    for (int k = 0; k < N; k++, w += M, from += PITCH) {
      get<SOME>(from, a);
#pragma unroll
      for (int u = 0; u < UNITS; u++) {
        real weight = w[j[u]];
#pragma unroll
        for (int v = 0; v < SOME; v++) sum[u][v] += weight * a[v];
      }
    }
#pragma unroll
    for (int u = 0; u < UNITS; u++) {
      if (g + u * GROUPS >= M) continue;
#pragma unroll
      for (int v = 0; v < SOME; v++) if (active(K + 1)) sum[u][v] = activated(sum[u][v]);
      set<SOME>(out + j[u] * PITCH + s, sum[u]);
    }
  }
  __syncthreads();
}

// dlayer[r][j] (+)= Σ_s [1; in][r][s] dout[j][s]
template <int K>
__device__ __forceinline__ void layer_gradient(real* __restrict__ dlayer, const real* in, const real* ones,
                                               const real* dout, bool add) {
  constexpr int N = 1 + width(K), M = width(K + 1), ROWS = most(1, least(16, N * M / (2 * THREADS)));
  for (int task = threadIdx.x; task < M * over(N, ROWS); task += THREADS) {
    int j = task % M, first = task / M * ROWS;
    real d[TILE];
    get<TILE>(dout + j * PITCH, d);
#pragma unroll 4
    for (int r = first; r < least(first + ROWS, N); r++) {
      const real* h = r ? in + (r - 1) * PITCH : ones;
      real sum = 0;
#pragma unroll
      for (int s = 0; s < TILE; s += VECTOR) {
        Vector read = *reinterpret_cast<const Vector*>(h + s);
#pragma unroll
        for (int v = 0; v < VECTOR; v++) sum += read.v[v] * d[s + v];
      }
      real* place = dlayer + r * M + j;
      *place = add ? *place + sum : sum;
    }
  }
  __syncthreads();
}

// values[k] = Σ_j W[k][j] dout[j], times the slope at values[k] where there was an activation
template <int K>
__device__ __forceinline__ void back(const real* __restrict__ layer, real* values, const real* dout,
                                     real* room) {
  constexpr int N = width(K), M = width(K + 1), GROUPS = over(N, 32);
  constexpr int SOME = GROUPS * TILE / 8 >= WARPS ? least(8, TILE) : VECTOR;
  const int lane = threadIdx.x % 32;
  real* transposed = room + threadIdx.x / 32 * (32 * (COLUMNS + 1));
  for (int task = threadIdx.x / 32; task < GROUPS * (TILE / SOME); task += WARPS) {
    int first = task % GROUPS * 32, s = task / GROUPS * SOME;
    real sum[SOME] = {}, d[SOME];
    for (int start = 0; start < M; start += COLUMNS) {
#pragma unroll
      for (int i = 0; i < 32; i += 32 / COLUMNS) {
        int k = i + lane / COLUMNS, j = lane % COLUMNS;
        bool inside = first + k < N && start + j < M;
        transposed[k * (COLUMNS + 1) + j] = inside ? layer[(1 + first + k) * M + start + j] : real(0);
      }
      __syncwarp();
#pragma unroll 8
      for (int j = 0; j < least(COLUMNS, M - start); j++) {
        real weight = transposed[lane * (COLUMNS + 1) + j];
        get<SOME>(dout + (start + j) * PITCH + s, d);
#pragma unroll
        for (int v = 0; v < SOME; v++) sum[v] += weight * d[v];
      }
      __syncwarp();
    }
    if (first + lane < N) {
      real* h = values + (first + lane) * PITCH + s;
      get<SOME>(h, d);
#pragma unroll
      for (int v = 0; v < SOME; v++) if (active(K)) sum[v] *= slope(d[v]);
      set<SOME>(h, sum);
    }
  }
  __syncthreads();
}

// From the input, values number 0, to the output
template <bool KEPT, int K = 0>
__device__ __forceinline__ void forward_from(const real* __restrict__ flat, real* values) {
  dense<K>(flat + offset(K), values + row<KEPT>(K) * PITCH, values + row<KEPT>(K + 1) * PITCH);
  if constexpr (K + 1 < LAYERS) forward_from<KEPT, K + 1>(flat, values);
}

// From the output's cotangents, in place of its values, to those of the first layer, and of the input if
// WANTED
template <bool WANTED, int K = LAYERS - 1>
__device__ __forceinline__ void backward_from(const real* __restrict__ flat, real* values, real* room,
                                              real* dflat, bool add) {
  real *in = values + row<true>(K) * PITCH, *out = values + row<true>(K + 1) * PITCH;
  real *ones = values + row<true>(LAYERS + 1) * PITCH;
  layer_gradient<K>(dflat + offset(K), in, ones, out, add);
  if constexpr (K > 0 || WANTED) back<K>(flat + offset(K), in, out, room);
  if constexpr (K > 0) backward_from<WANTED, K - 1>(flat, values, room, dflat, add);
}

// Which rows of the data a minibatch has: n of them, those of step cursor[0] of model blockIdx.y
struct Batch {
  const int* chosen;
  __device__ Batch(const int* rows, const int* cursor, int n_steps, int n)
    : chosen(rows + ((long long)blockIdx.y * n_steps + cursor[0]) * n) {}
  __device__ long long operator()(long long i) const { return chosen[i]; }
};

// WIDTH numbers of each sample of a tile, from memory
template <int WIDTH, class R>
__device__ __forceinline__ void fetch(const real* __restrict__ from, real* values, long long first,
                                      long long n, R number) {
  for (int task = threadIdx.x; task < WIDTH * TILE; task += THREADS) {
    int s = task / WIDTH, d = task % WIDTH;
    values[d * PITCH + s] = first + s < n ? from[number(first + s) * WIDTH + d] : real(0);
  }
  __syncthreads();
}

template <int WIDTH>
__device__ __forceinline__ void put(real* __restrict__ to, const real* values, long long first, long long n) {
  for (int task = threadIdx.x; task < WIDTH * TILE; task += THREADS) {
    int s = task / WIDTH, d = task % WIDTH;
    if (first + s < n) to[(first + s) * WIDTH + d] = values[d * PITCH + s];
  }
  __syncthreads();
}

// This block's share of the loss, from that of each thread
__device__ __forceinline__ void write_loss(real loss, real* sums, int n, real* __restrict__ losses) {
  sums[threadIdx.x] = loss;
  for (int half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) losses[(long long)blockIdx.y * gridDim.x + blockIdx.x] = sums[0] / (real(n) * OUT);
}

__device__ __forceinline__ real* set_ones(real* values) {
  real* ones = values + row<true>(LAYERS + 1) * PITCH;
  if (threadIdx.x < PITCH) ones[threadIdx.x] = 1;
  return ones + PITCH;                                                // room for `back`
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) forward(
    const real* __restrict__ flat, const real* __restrict__ x, real* __restrict__ out, long long n) {
  DYN_SHARED(real, values);
  for (long long first = (long long)blockIdx.x * TILE; first < n; first += (long long)gridDim.x * TILE) {
    fetch<IN>(x, values, first, n, [](long long i) { return i; });
    forward_from<false>(flat, values);
    put<OUT>(out, values + row<false>(LAYERS) * PITCH, first, n);
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) vjp(
    const real* __restrict__ flat, const real* __restrict__ x, const real* __restrict__ cotangent,
    real* __restrict__ out, real* __restrict__ dx, real* __restrict__ partial, long long n) {
  DYN_SHARED(real, values);
  real *output = values + row<true>(LAYERS) * PITCH, *room = set_ones(values);
  auto number = [](long long i) { return i; };
  bool add = false;
  const long long step = (long long)gridDim.x * TILE;
  for (long long first = (long long)blockIdx.x * TILE; first < n; first += step, add = true) {
    fetch<IN>(x, values, first, n, number);
    forward_from<true>(flat, values);
    put<OUT>(out, output, first, n);
    fetch<OUT>(cotangent, output, first, n, number);
    backward_from<true>(flat, values, room, partial + (long long)blockIdx.x * PARAMETERS, add);
    put<IN>(dx, values, first, n);
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) gradient(
    const real* __restrict__ flat, const real* __restrict__ x, const int* __restrict__ rows,
    const int* __restrict__ cursor, int n_steps, int n, real* __restrict__ partial,
    real* __restrict__ losses) {
  DYN_SHARED(real, values);
  real *output = values + row<true>(LAYERS) * PITCH, *room = set_ones(values), loss = 0;
  const Batch batch(rows, cursor, n_steps, n);
  const real factor = real(2) / (real(n) * OUT);
  flat += (long long)blockIdx.y * PARAMETERS;
  partial += ((long long)blockIdx.y * gridDim.x + blockIdx.x) * PARAMETERS;
  bool add = false;
  const long long step = (long long)gridDim.x * TILE;
  for (long long first = (long long)blockIdx.x * TILE; first < n; first += step, add = true) {
    fetch<IN>(x, values, first, n, batch);
    forward_from<true>(flat, values);
    for (int task = threadIdx.x; task < OUT * TILE; task += THREADS) {
      int s = task % TILE, d = task / TILE;
      real error = first + s < n ? output[d * PITCH + s] - values[d * PITCH + s] : real(0);
      loss += error * error;
      output[d * PITCH + s] = factor * error;
    }
    __syncthreads();
    backward_from<false>(flat, values, room, partial, add);
  }
  write_loss(loss, room, n, losses);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) loss(
    const real* __restrict__ flat, const real* __restrict__ x, const int* __restrict__ rows,
    const int* __restrict__ cursor, int n_steps, int n, real* __restrict__ losses) {
  DYN_SHARED(real, values);
  const real* output = values + row<false>(LAYERS) * PITCH;
  const Batch batch(rows, cursor, n_steps, n);
  flat += (long long)blockIdx.y * PARAMETERS;
  real loss = 0;
  for (long long first = (long long)blockIdx.x * TILE; first < n; first += (long long)gridDim.x * TILE) {
    fetch<IN>(x, values, first, n, batch);
    forward_from<false>(flat, values);
    for (int task = threadIdx.x; task < OUT * TILE; task += THREADS) {
      int s = task / OUT, d = task % OUT;
      if (first + s < n) {
        real error = output[d * PITCH + s] - x[batch(first + s) * OUT + d];
        loss += error * error;
      }
    }
    __syncthreads();
  }
  write_loss(loss, values + two_layers() * PITCH, n, losses);
}
