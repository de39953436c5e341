// RealNVP: the chain of couplings in both directions, and back with its gradient, for a tile at a time.
// Formula numbers are those of density/realnvp.py.
//
// A block holds a tile in shared memory, feature-major, and takes it through all couplings in one launch.
// Each of the two halves of x lies below its own copy of the context: the kept half is then a network's input
// as it stands, and each coupling changes the other half in place. If parameters are resident they are staged
// there too, else they are read through the cache. Training keeps the half that each coupling moved, and its
// network's hidden units and outputs, called its tape. If there is room for one tape only (TAPES), the tapes
// are computed again on the way back. Cotangents replace the values that they belong to. A block writes its
// share of the gradient to a row of its own; the rows are summed in a fixed order afterwards. There are no
// atomics.
//
// Operations: with P parameters, P multiply-adds for each sample forward, 3P in training (4P with one tape).
// Bytes in float32: 4 (2D + C + 1) for each sample, 4P for the parameters of each block, and in training 4P
// for the gradient of its first tile, 8P for each later one. Two dimensions and six networks of 64, 64 units
// have P = 26,508: a tile of 32 takes 2.5 million multiply-adds in training on 0.2 to 0.3 MB, so that
// multiply-adds bound it; a tile of 8, at small batches, is bound by latency: 11 barriers for each coupling
// with two hidden layers, and the first read of the parameters.
//
// The launcher defines DIM, CONTEXT, HIDDEN (a list of units), TRANSFORMS (couplings), BOUND (S of (3)),
// TAPES (1 or TRANSFORMS), and the plan: TILE, THREADS, RESIDENT (accel/kernels/plan.py). Limits: the rows of
// a tile of 8 must fit in shared memory.
#define STAGED RESIDENT                                               // the layout of the layers in dense.cuh
#include "kernels/common/dense.cuh"

constexpr real S = BOUND, HALF_LOG_TWO_PI = 0.91893853320467274178;
constexpr int LOWER = DIM / 2, UPPER = DIM - LOWER;                   // even couplings keep the lower half
constexpr int MOST_INPUTS = CONTEXT + UPPER, MOST_OUTPUTS = 2 * UPPER;
#include "kernels/common/network.cuh"

// The parameters: of each coupling, and where they start
__host__ __device__ constexpr int n_kept(int k) { return k % 2 ? UPPER : LOWER; }
__host__ __device__ constexpr int n_moved(int k) { return k % 2 ? LOWER : UPPER; }
__host__ __device__ constexpr int numbers(int k, bool staged) {
  return network_size(CONTEXT + n_kept(k), 2 * n_moved(k), staged);
}
constexpr int EVEN = numbers(0, false), ODD = numbers(1, false);
constexpr int STAGED_EVEN = numbers(0, true), STAGED_ODD = numbers(1, true);
__host__ __device__ constexpr int start(int k) { return (k + 1) / 2 * EVEN + k / 2 * ODD; }
__host__ __device__ constexpr int staged_start(int k) {
  return (k + 1) / 2 * STAGED_EVEN + k / 2 * STAGED_ODD;
}
constexpr int PARAMETERS = start(TRANSFORMS);

// Shared memory: staged parameters, then rows. The halves of x, each below a row of ones and the context; the
// tapes; and for a gradient dx, laid out like x, and the half that each coupling moved.
constexpr int HALVES = 2 + 2 * CONTEXT + DIM, UPPER_HALF = 1 + CONTEXT + LOWER;
constexpr int TAPE_ROWS = HIDDEN_ROWS + 2 * UPPER, DX = HALVES + TAPES * TAPE_ROWS, BEFORE = DX + HALVES;
__device__ real* staged() { DYN_SHARED(real, memory); return memory; }
__device__ real* place(int row) { return staged() + (RESIDENT ? staged_start(TRANSFORMS) : 0) + row * LD; }
__device__ real* input(int k) { return place(k % 2 ? UPPER_HALF : 0); }          // of coupling k's network
__device__ real* dinput(int k) { return place(DX + (k % 2 ? UPPER_HALF : 0)); }
__device__ real* moved(int k) { return input(k + 1) + (1 + CONTEXT) * LD; }
__device__ real* dmoved(int k) { return dinput(k + 1) + (1 + CONTEXT) * LD; }
__device__ real* hidden(int k) { return place(HALVES + (TAPES > 1 ? k : 0) * TAPE_ROWS); }
__device__ real* output(int k) { return hidden(k) + HIDDEN_ROWS * LD; }
__device__ real* before(int k) { return place(BEFORE + k * UPPER); }              // the half it moved
__host__ __device__ constexpr int row_of(int i) { return i < LOWER ? 1 + CONTEXT + i : 2 + 2 * CONTEXT + i; }
__device__ const real* network_of(const real* flat, int k) {
  return RESIDENT ? staged() + staged_start(k) : flat + start(k);
}

constexpr int PER_CONTEXT = CONTEXT ? CONTEXT : 1;                    // a divisor, even without a context

// f(where, s) for all samples of n rows; the rows begin at where = 0
template <class F> __device__ void for_each(int n, F f) {
  for (int i = threadIdx.x; i < n * TILE; i += THREADS) f(i / TILE * LD + i % TILE, i % TILE);
}

// Stage the parameters and set the rows of ones; the barrier is that of the first tile's `fetch`
__device__ void begin(const real* flat) {
  if (RESIDENT) for (int k = 0; k < TRANSFORMS; k++) {
    stage_network<0>(flat + start(k), CONTEXT + n_kept(k), 2 * n_moved(k), staged() + staged_start(k));
  }
  for (int k = 0; k < TAPES; k++) set_ones<0>(hidden(k));
  for_each(1, [=](int i, int) { input(0)[i] = input(1)[i] = 1; });
}

// t and a of coupling k, in this order, into its tape
__device__ void shift_and_scale(const real* flat, int k) {
  network<0>(network_of(flat, k), input(k), CONTEXT + n_kept(k), hidden(k), output(k), 2 * n_moved(k));
}

// ∑ s of coupling k for this thread's sample: (4)
__device__ real sum_of_scales(int k) {
  real sum = 0;
  if (threadIdx.x < TILE)
    for (int r = 0; r < n_moved(k); r++) sum += S * output(k)[(n_moved(k) + r) * LD + threadIdx.x];
  return sum;
}

// x to z in place, tanh(a/S) in the place of a; returns log_det of this thread's sample. KEEP keeps the moved
// halves.
template <bool KEEP> __device__ real to_gaussian(const real* flat) {
  real log_det = 0;
  for (int k = 0; k < TRANSFORMS; k++) {
    shift_and_scale(flat, k);
    real *x = moved(k), *t = output(k), *a = t + n_moved(k) * LD, *kept = before(k);
    for_each(n_moved(k), [=](int i, int) {
      real tanh_a = tanh(a[i] * (1 / S));                                                  // (3)
      if (KEEP) kept[i] = x[i];
      a[i] = tanh_a;
      x[i] = x[i] * exp(S * tanh_a) + t[i];                                                // (2)
    });
    __syncthreads();
    log_det += sum_of_scales(k);                                                          // (4)
  }
  return log_det;
}

// z to x in place; returns −log_det of this thread's sample
__device__ real from_gaussian(const real* flat) {
  real log_det = 0;
  for (int k = TRANSFORMS - 1; k >= 0; k--) {
    shift_and_scale(flat, k);
    real *x = moved(k), *t = output(k), *a = t + n_moved(k) * LD;
    for_each(n_moved(k), [=](int i, int) {
      real tanh_a = tanh(a[i] * (1 / S));                                                  // (3)
      a[i] = tanh_a;
      x[i] = (x[i] - t[i]) * exp(-(S * tanh_a));                                           // (5)
    });
    __syncthreads();
    log_det += sum_of_scales(k);
  }
  return log_det;
}

// dz = share · z for the first n samples, from (6), and 0 for the others; no gradient of the context yet
__device__ void begin_backward(real share, int n) {
  for_each(CONTEXT, [=](int i, int) { dinput(0)[LD + i] = dinput(1)[LD + i] = 0; });
  for (int k = 0; k < 2; k++) {
    const real* z = moved(k);
    real* dz = dmoved(k);
    for_each(n_moved(k), [=](int i, int s) { dz[i] = s < n ? share * z[i] : real(0); });
  }
  __syncthreads();
}

// dz to dx in place, and x restored; dlog_det is the cotangent of the first n samples' log_det. The first
// coupling's dx is computed only with dcontext.
__device__ void backward(const real* flat, real dlog_det, int n, real* dflat, bool add, bool dcontext) {
  for (int k = TRANSFORMS - 1; k >= 0; k--) {
    bool again = TAPES < TRANSFORMS && k < TRANSFORMS - 1;            // the tape is that of coupling k + 1
    if (again) shift_and_scale(flat, k);
    real *x = moved(k), *dx = dmoved(k), *dt = output(k), *a = dt + n_moved(k) * LD, *kept = before(k);
    for_each(n_moved(k), [=](int i, int s) {
      real tanh_a = again ? tanh(a[i] * (1 / S)) : a[i], scale = exp(S * tanh_a), dy = dx[i];
      x[i] = kept[i];
      dt[i] = dy;
      a[i] = (dy * (kept[i] * scale) + (s < n ? dlog_det : real(0))) * (1 - tanh_a * tanh_a);       // da
      dx[i] = dy * scale;
    });
    __syncthreads();
    network_back<0>(network_of(flat, k), dflat ? dflat + start(k) : nullptr, add, input(k),
                    CONTEXT + n_kept(k), hidden(k), dt, 2 * n_moved(k),
                    k > 0 || dcontext ? dinput(k) : nullptr, dcontext ? 0 : CONTEXT);
  }
}

// A tile into shared memory; sample s is row x_row(s) of x and row context_row(s) of the context
template <class X, class C>
__device__ void fetch(const real* x, const real* context, X x_row, C context_row) {
  for (int i = threadIdx.x; i < TILE * DIM; i += THREADS)
    place(row_of(i % DIM))[i / DIM] = x[x_row(i / DIM) * DIM + i % DIM];
  if (CONTEXT) for (int i = threadIdx.x; i < TILE * CONTEXT; i += THREADS) {
    int s = i / PER_CONTEXT, c = i % PER_CONTEXT;
    input(0)[(1 + c) * LD + s] = input(1)[(1 + c) * LD + s] = context[context_row(s) * CONTEXT + c];
  }
  __syncthreads();
}

// ½ zᵀz of this thread's sample
__device__ real half_square() {
  real sum = 0;
  if (threadIdx.x < TILE) for (int i = 0; i < DIM; i++) {
    real z = place(row_of(i))[threadIdx.x];
    sum += z * z;
  }
  return real(0.5) * sum;
}

// tile(first, number of samples) for each tile of n rows. Samples beyond the last row are copies of it, so
// that they cannot overflow where it does not.
template <class F>
__device__ void over_tiles(const real* flat, const real* x, const real* context, long long n, long long each,
                           F tile) {
  begin(flat);
  for (long long first = (long long)blockIdx.x * TILE; first < n; first += (long long)gridDim.x * TILE) {
    auto row = [=](int s) { return first + s < n ? first + s : n - 1; };
    fetch(x, context, row, [=](int s) { return row(s) / each; });
    tile(first, int(n - first < TILE ? n - first : TILE));
    __syncthreads();
  }
}

// n samples of x, or of dx with origin DX, to rows of global memory
__device__ void write(int origin, real* out, long long first, int n) {
  for (int i = threadIdx.x; i < n * DIM; i += THREADS)
    out[first * DIM + i] = place(origin + row_of(i % DIM))[i / DIM];
}

// The minibatch of this model and step: rows (E, S, B), with the step in `cursor`. The block's share of the
// loss goes to losses (E, G): −log p of its samples, summed in a fixed order and divided by B, (7).
// tile(first, number of samples) is called when a tile has become z.
template <bool KEEP, class F>
__device__ void over_batch(const real* flat, const real* x, const real* context, const int* chosen,
                           const int* cursor, int steps, int batch, real* losses, F tile) {
  begin(flat);
  chosen += ((long long)blockIdx.y * steps + cursor[0]) * batch;
  real loss = 0;
  for (int first = blockIdx.x * TILE; first < batch; first += gridDim.x * TILE) {
    auto row = [=](int s) { return (long long)chosen[first + s < batch ? first + s : batch - 1]; };
    fetch(x, context, row, row);
    real value = -to_gaussian<KEEP>(flat);
    value += half_square() + DIM * HALF_LOG_TWO_PI;                                       // (6)
    if (first + (int)threadIdx.x < batch) loss += value;
    tile(first, batch - first < TILE ? batch - first : TILE);
    __syncthreads();
  }
  if (threadIdx.x < TILE) place(0)[threadIdx.x] = loss;
  __syncthreads();
  if (threadIdx.x == 0) {
    real sum = 0;
    for (int s = 0; s < TILE; s++) sum += place(0)[s];
    losses[(long long)blockIdx.y * gridDim.x + blockIdx.x] = sum / batch;                 // (7)
  }
}
