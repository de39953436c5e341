// RealNVP: the chain of couplings there and back, for a tile of samples at a time (the mathematics is in realnvp.py, the launcher in
// launch.py).
//
// A block holds TILE samples in shared memory, feature-major, and takes them through all couplings in one launch. The two halves of x lie
// there each below its own copy of the context, so that the kept half is a network's input as it stands, and each coupling changes the
// other half in place. Parameters lie there too where they fit (STAGED), else they come through the cache. Training keeps, for each
// coupling, what it moved and what its network's layers gave (or, where that does not fit and KEEP is 0, computes the latter anew), walks
// back with each cotangent in the place of what it belongs to, and writes the block's share of the gradient to a row of its own; the
// rows are summed in a fixed order afterwards. Nothing is added atomically.
//
// Operations: with P parameters, P multiply-adds for each sample forward, 3P in training (4P where KEEP is 0). Bytes in float32:
// 4 (2D + C + 1) for each sample, 4P for the parameters of each block, and in training 4P for the gradient of its first tile, 8P for each
// later one. Two dimensions and six networks of 64, 64 units have P = 26,508: a tile of 32 takes 2.5 million multiply-adds in training
// on 0.2 to 0.3 MB, so that multiply-adds bound it; a tile of 8, at small batches, is bound by latency: 11 barriers for each coupling with
// two hidden layers, and the first read of the parameters.
//
// HIDDEN lists the units of the hidden layers, TRANSFORMS counts couplings. Limits: the rows of one tile of 8 in shared memory.
#include "kernels/common/dense.cuh"

constexpr real S = 5, HALF_LOG_TWO_PI = 0.91893853320467274178;
constexpr int LOWER = DIM / 2, UPPER = DIM - LOWER;                   // even couplings keep the lower half, and move at least as many
constexpr int MOST_INPUTS = CONTEXT + UPPER, MOST_OUTPUTS = 2 * UPPER;
#include "kernels/common/network.cuh"

__host__ __device__ constexpr int n_kept(int k) { return k % 2 ? UPPER : LOWER; }
__host__ __device__ constexpr int n_moved(int k) { return k % 2 ? LOWER : UPPER; }
__host__ __device__ constexpr int numbers(int k, bool staged) { return network_size(CONTEXT + n_kept(k), 2 * n_moved(k), staged); }
constexpr int EVEN = numbers(0, false), ODD = numbers(1, false), STAGED_EVEN = numbers(0, true), STAGED_ODD = numbers(1, true);
__host__ __device__ constexpr int start(int k) { return (k + 1) / 2 * EVEN + k / 2 * ODD; }               // of coupling k's parameters
__host__ __device__ constexpr int staged_start(int k) { return (k + 1) / 2 * STAGED_EVEN + k / 2 * STAGED_ODD; }
constexpr int PARAMETERS = start(TRANSFORMS);

// What a block keeps in shared memory: parameters, then rows. The halves of x, each below a row of ones and the context; for each coupling
// what its network's layers gave; and where one walks back, dx like x, and what each coupling moved.
constexpr int HALVES = 2 + 2 * CONTEXT + DIM, UPPER_HALF = 1 + CONTEXT + LOWER;
constexpr int TAPES = KEEP ? TRANSFORMS : 1, TAPE_ROWS = HIDDEN_ROWS + 2 * UPPER, DX = HALVES + TAPES * TAPE_ROWS, BEFORE = DX + HALVES;
__device__ real* staged() { DYN_SHARED(real, memory); return memory; }
__device__ real* place(int row) { return staged() + (STAGED ? staged_start(TRANSFORMS) : 0) + row * LD; }
__device__ real* input(int k) { return place(k % 2 ? UPPER_HALF : 0); }        // of the network of coupling k
__device__ real* dinput(int k) { return place(DX + (k % 2 ? UPPER_HALF : 0)); }
__device__ real* moved(int k) { return input(k + 1) + (1 + CONTEXT) * LD; }
__device__ real* dmoved(int k) { return dinput(k + 1) + (1 + CONTEXT) * LD; }
__device__ real* hidden(int k) { return place(HALVES + (KEEP ? k : 0) * TAPE_ROWS); }
__device__ real* output(int k) { return hidden(k) + HIDDEN_ROWS * LD; }
__device__ real* before(int k) { return place(BEFORE + k * UPPER); }
__host__ __device__ constexpr int row_of(int i) { return i < LOWER ? 1 + CONTEXT + i : 2 + 2 * CONTEXT + i; }           // of dimension i
__device__ const real* network_of(const real* flat, int k) { return STAGED ? staged() + staged_start(k) : flat + start(k); }

constexpr int PER_CONTEXT = CONTEXT ? CONTEXT : 1;                    // to divide by where there is none

// f(where, s) for all samples of n rows, which begin where = 0
template <class F> __device__ void for_each(int n, F f) {
  for (int i = threadIdx.x; i < n * TILE; i += THREADS) f(i / TILE * LD + i % TILE, i % TILE);
}

// Parameters into shared memory, and the rows of ones; a barrier follows when the first tile is read
__device__ void begin(const real* flat) {
  if (STAGED) for (int k = 0; k < TRANSFORMS; k++) {
    stage_network<0>(flat + start(k), CONTEXT + n_kept(k), 2 * n_moved(k), staged() + staged_start(k));
  }
  for (int k = 0; k < TAPES; k++) set_ones<0>(hidden(k));
  for_each(1, [=](int i, int) { input(0)[i] = input(1)[i] = 1; });
}

// t and a of coupling k, below one another
__device__ void shift_and_scale(const real* flat, int k) {
  network<0>(network_of(flat, k), input(k), CONTEXT + n_kept(k), hidden(k), output(k), 2 * n_moved(k));
}

// ∑ s of coupling k for the sample of this thread, where it has one
__device__ real sum_of_scales(int k) {
  real sum = 0;
  if (threadIdx.x < TILE) for (int r = 0; r < n_moved(k); r++) sum += S * output(k)[(n_moved(k) + r) * LD + threadIdx.x];
  return sum;
}

// x to z in place, tanh(a/S) in the place of a; log_det of the sample of this thread. TAPED keeps what the way back needs.
template <bool TAPED> __device__ real walk(const real* flat) {
  real log_det = 0;
  for (int k = 0; k < TRANSFORMS; k++) {
    shift_and_scale(flat, k);
    real *x = moved(k), *t = output(k), *a = t + n_moved(k) * LD, *kept = before(k);
    for_each(n_moved(k), [=](int i, int) {
      real bound = tanh(a[i] * (1 / S));
      if (TAPED) kept[i] = x[i];
      a[i] = bound;
      x[i] = x[i] * exp(S * bound) + t[i];
    });
    __syncthreads();
    log_det += sum_of_scales(k);
  }
  return log_det;
}

// z to x in place; −log_det of the sample of this thread
__device__ real walk_inverse(const real* flat) {
  real log_det = 0;
  for (int k = TRANSFORMS - 1; k >= 0; k--) {
    shift_and_scale(flat, k);
    real *x = moved(k), *t = output(k), *a = t + n_moved(k) * LD;
    for_each(n_moved(k), [=](int i, int) {
      real bound = tanh(a[i] * (1 / S));
      a[i] = bound;
      x[i] = (x[i] - t[i]) * exp(-(S * bound));
    });
    __syncthreads();
    log_det += sum_of_scales(k);
  }
  return log_det;
}

// dz = share · z for the first n samples, 0 for the others, and no gradient of the context yet
__device__ void turn(real share, int n) {
  for_each(CONTEXT, [=](int i, int) { dinput(0)[LD + i] = dinput(1)[LD + i] = 0; });
  for (int k = 0; k < 2; k++) {
    const real* z = moved(k);
    real* dz = dmoved(k);
    for_each(n_moved(k), [=](int i, int s) { dz[i] = s < n ? share * z[i] : real(0); });
  }
  __syncthreads();
}

// dz to dx in place, and x as it came; dlog_det is what the first n samples have, the others have none. dx comes with dcontext alone.
__device__ void walk_back(const real* flat, real dlog_det, int n, real* dflat, bool add, bool dcontext) {
  for (int k = TRANSFORMS - 1; k >= 0; k--) {
    bool anew = !KEEP && k < TRANSFORMS - 1;
    if (anew) shift_and_scale(flat, k);
    real *x = moved(k), *dx = dmoved(k), *dt = output(k), *a = dt + n_moved(k) * LD, *kept = before(k);
    for_each(n_moved(k), [=](int i, int s) {
      real bound = anew ? tanh(a[i] * (1 / S)) : a[i], scale = exp(S * bound), dy = dx[i];
      x[i] = kept[i];
      dt[i] = dy;
      a[i] = (dy * (kept[i] * scale) + (s < n ? dlog_det : real(0))) * (1 - bound * bound);
      dx[i] = dy * scale;
    });
    __syncthreads();
    network_back<0>(network_of(flat, k), dflat ? dflat + start(k) : nullptr, add, input(k), CONTEXT + n_kept(k), hidden(k), dt,
                    2 * n_moved(k), k > 0 || dcontext ? dinput(k) : nullptr, dcontext ? 0 : CONTEXT);
  }
}

// A tile into shared memory, its sample s from row taken(s) of x and context_of(s) of the context
template <class X, class C> __device__ void read(const real* x, const real* context, X taken, C context_of) {
  for (int i = threadIdx.x; i < TILE * DIM; i += THREADS) place(row_of(i % DIM))[i / DIM] = x[taken(i / DIM) * DIM + i % DIM];
  if (CONTEXT) for (int i = threadIdx.x; i < TILE * CONTEXT; i += THREADS) {
    int s = i / PER_CONTEXT, c = i % PER_CONTEXT;
    input(0)[(1 + c) * LD + s] = input(1)[(1 + c) * LD + s] = context[context_of(s) * CONTEXT + c];
  }
  __syncthreads();
}

// ½ zᵀz of the sample of this thread, where it has one
__device__ real half_square() {
  real sum = 0;
  if (threadIdx.x < TILE) for (int i = 0; i < DIM; i++) {
    real z = place(row_of(i))[threadIdx.x];
    sum += z * z;
  }
  return real(0.5) * sum;
}

// For each tile of n rows: tile(first, how many). Samples beyond the last are copies of it: nothing overflows that would not anyway.
template <class F> __device__ void over_tiles(const real* flat, const real* x, const real* context, long long n, long long each, F tile) {
  begin(flat);
  for (long long first = (long long)blockIdx.x * TILE; first < n; first += (long long)gridDim.x * TILE) {
    auto taken = [=](int s) { return first + s < n ? first + s : n - 1; };
    read(x, context, taken, [=](int s) { return taken(s) / each; });
    tile(first, int(n - first < TILE ? n - first : TILE));
    __syncthreads();
  }
}

// x, or dx where origin is DX, of n samples to rows of global memory
__device__ void write(int origin, real* out, long long first, int n) {
  for (int i = threadIdx.x; i < n * DIM; i += THREADS) out[first * DIM + i] = place(origin + row_of(i % DIM))[i / DIM];
}

// The minibatch of this model and step: rows (E, S, B), of which cursor says the step; −log p of its samples, summed by this block in a
// fixed order and divided by B, goes to losses (E, G). tile(first, how many) is called after each walk.
template <bool TAPED, class F> __device__ void over_batch(const real* flat, const real* x, const real* context, const int* chosen,
                                                          const int* cursor, int steps, int batch, real* losses, F tile) {
  begin(flat);
  chosen += ((long long)blockIdx.y * steps + cursor[0]) * batch;
  real loss = 0;
  for (int first = blockIdx.x * TILE; first < batch; first += gridDim.x * TILE) {
    auto taken = [=](int s) { return (long long)chosen[first + s < batch ? first + s : batch - 1]; };
    read(x, context, taken, taken);
    real value = -walk<TAPED>(flat);
    value += half_square() + DIM * HALF_LOG_TWO_PI;
    if (first + (int)threadIdx.x < batch) loss += value;
    tile(first, batch - first < TILE ? batch - first : TILE);
    __syncthreads();
  }
  if (threadIdx.x < TILE) place(0)[threadIdx.x] = loss;
  __syncthreads();
  if (threadIdx.x == 0) {
    real sum = 0;
    for (int s = 0; s < TILE; s++) sum += place(0)[s];
    losses[(long long)blockIdx.y * gridDim.x + blockIdx.x] = sum / batch;
  }
}
