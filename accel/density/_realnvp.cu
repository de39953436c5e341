// RealNVP: the chain of couplings there and back, for a tile of samples at a time (the mathematics is in realnvp.py, the launcher in
// _realnvp.py).
//
// A block holds TILE samples in shared memory, feature-major, and takes them through all couplings in one launch. The two halves of x lie
// there each below its own copy of the context, so that the kept half is the network's input as it stands, and each coupling changes the
// other half in place. Training keeps, for each coupling, what it moved and what its network's layers gave (or, where that does not
// fit and KEEP is 0, computes the latter anew), walks back, and writes the block's share of the gradient to a row of its own, which is
// summed in a fixed order afterwards. Weights come through the cache: each is read once for all samples of the tile.
//
// Bound by multiply-adds: with P parameters, about P for each sample forward and 3P in training (4P where KEEP is 0), against
// 4 (2D + C + 1) bytes of float32 forward, and P / TILE numbers of weights and of gradient from the second-level cache in training.
//
// HIDDEN lists the units of the hidden layers, TRANSFORMS counts couplings.
// Compiled in the tests with DIM=2 CONTEXT=3 HIDDEN=64,64 TRANSFORMS=6 KEEP=1 TILE=16
#include "core/_tile.cuh"

constexpr real S = 5, HALF_LOG_TWO_PI = 0.91893853320467274178;
constexpr int LOWER = DIM / 2, UPPER = DIM - LOWER;                   // even couplings keep the lower half, and move at least as many

__host__ __device__ constexpr int width(int layer) { constexpr int widths[] = {HIDDEN}; return widths[layer]; }
__host__ __device__ constexpr int n_layers() { constexpr int widths[] = {HIDDEN}; return sizeof(widths) / sizeof(int); }
__host__ __device__ constexpr int n_kept(int k) { return k % 2 ? UPPER : LOWER; }
__host__ __device__ constexpr int n_moved(int k) { return k % 2 ? LOWER : UPPER; }
__host__ __device__ constexpr int n_units() { int n = 0; for (int l = 0; l < n_layers(); l++) n += width(l); return n; }
__host__ __device__ constexpr int n_parameters(int k) {
  int n_in = CONTEXT + n_kept(k), n = 0;
  for (int l = 0; l < n_layers(); l++) { n += (1 + n_in) * width(l); n_in = width(l); }
  return n + (1 + n_in) * 2 * n_moved(k);
}
constexpr int LAYERS = n_layers(), HIDDEN_UNITS = n_units(), EVEN = n_parameters(0), ODD = n_parameters(1);
constexpr int PARAMETERS = (TRANSFORMS + 1) / 2 * EVEN + TRANSFORMS / 2 * ODD;
__host__ __device__ constexpr int start(int k) { return k / 2 * (EVEN + ODD) + k % 2 * EVEN; }

// What a block keeps in shared memory, in rows of TILE numbers: the halves of x and, where one walks back, those of dx; for each coupling
// what its network gave, and what it moved. Evaluation needs the halves and one tape.
__device__ __forceinline__ real* place(int row) { DYN_SHARED(real, memory); return memory + row * TILE; }
constexpr int TAPE = 2 * CONTEXT + DIM, TAPE_ROWS = HIDDEN_UNITS + 2 * UPPER;
constexpr int DX = TAPE + (KEEP ? TRANSFORMS : 1) * TAPE_ROWS, BEFORE = DX + TAPE;
__device__ __forceinline__ real* input(int k) { return place(k % 2 ? CONTEXT + LOWER : 0); }     // the context, and what coupling k keeps
__device__ __forceinline__ real* dinput(int k) { return place(DX + (k % 2 ? CONTEXT + LOWER : 0)); }
__device__ __forceinline__ real* hidden(int k) { return place(TAPE + (KEEP ? k : 0) * TAPE_ROWS); }
__device__ __forceinline__ real* output(int k) { return hidden(k) + HIDDEN_UNITS * TILE; }
__device__ __forceinline__ real* before(int k) { return place(BEFORE + k * UPPER); }
__host__ __device__ constexpr int row_of(int i) { return CONTEXT + i + (i < LOWER ? 0 : CONTEXT); }       // of dimension i among the halves

// The network's output, with hidden layer after hidden layer kept from h on
template <int L> __device__ __forceinline__ void network(const real* layer, const real* in, int n_in, real* h, real* out, int n_out) {
  if constexpr (L < LAYERS) {
    dense(layer, n_in, width(L), in, h, [](real a, int, int) { return tanh(a); });
    network<L + 1>(layer + (1 + n_in) * width(L), h, width(L), h + width(L) * TILE, out, n_out);
  } else dense(layer, n_in, n_out, in, out, [](real a, int, int) { return a; });
}

// Back through it, the cotangent dh of each hidden layer in the place of h; the input's, from its row `first` on, is added to din.
// Parameters have no gradient where dlayer is null, the input has none where din is.
template <int L> __device__ __forceinline__ void network_back(const real* layer, real* dlayer, bool add, real* in, int n_in, real* h,
                                                              const real* dout, int n_out, real* din, int first) {
  const real* da = dout;
  int n = n_out;
  if constexpr (L < LAYERS) {
    da = h, n = width(L);
    int size = (1 + n_in) * n;
    network_back<L + 1>(layer + size, dlayer ? dlayer + size : nullptr, add, h, n, h + n * TILE, dout, n_out, din, first);
  }
  if (dlayer) dense_gradient(dlayer, n_in, n, in, da, add);
  if constexpr (L > 0) dense_transposed(layer, n_in, n, 0, da, in, [=](real sum, int k, int s) {
    real below = in[k * TILE + s];
    return sum * (1 - below * below);
  });
  else if (din) dense_transposed(layer, n_in, n, first, da, din, [=](real sum, int k, int s) { return din[k * TILE + s] + sum; });
}

// t, and tanh(a/S) in the place of a
__device__ __forceinline__ void shift_and_scale(const real* flat, int k) {
  network<0>(flat + start(k), input(k), CONTEXT + n_kept(k), hidden(k), output(k), 2 * n_moved(k));
  real* a = output(k) + n_moved(k) * TILE;
  for (int i = threadIdx.x; i < n_moved(k) * TILE; i += THREADS) a[i] = tanh(a[i] * (1 / S));
  __syncthreads();
}

// What ∑ s of coupling k adds to log_det for the sample of this thread, where it has one
__device__ __forceinline__ real sum_of_scales(int k) {
  real sum = 0;
  if (threadIdx.x < TILE) for (int r = 0; r < n_moved(k); r++) sum += S * output(k)[(n_moved(k) + r) * TILE + threadIdx.x];
  return sum;
}

// x to z in place; log_det of the sample of this thread. TAPED keeps what the way back needs.
template <bool TAPED> __device__ __forceinline__ real walk(const real* flat) {
  real log_det = 0;
  for (int k = 0; k < TRANSFORMS; k++) {
    shift_and_scale(flat, k);
    real *x = input(k + 1) + CONTEXT * TILE, *t = output(k), *bound = t + n_moved(k) * TILE;
    for (int i = threadIdx.x; i < n_moved(k) * TILE; i += THREADS) {
      if (TAPED) before(k)[i] = x[i];
      x[i] = x[i] * exp(S * bound[i]) + t[i];
    }
    log_det += sum_of_scales(k);
    __syncthreads();
  }
  return log_det;
}

// z to x in place; −log_det of the sample of this thread
__device__ __forceinline__ real walk_inverse(const real* flat) {
  real log_det = 0;
  for (int k = TRANSFORMS - 1; k >= 0; k--) {
    shift_and_scale(flat, k);
    real *x = input(k + 1) + CONTEXT * TILE, *t = output(k), *bound = t + n_moved(k) * TILE;
    for (int i = threadIdx.x; i < n_moved(k) * TILE; i += THREADS) x[i] = (x[i] - t[i]) * exp(-(S * bound[i]));
    log_det += sum_of_scales(k);
    __syncthreads();
  }
  return log_det;
}

// dz = share · z for the first n samples, 0 for the others, and no gradient of the context yet
__device__ __forceinline__ void turn(real share, int n) {
  for (int i = threadIdx.x; i < DIM * TILE; i += THREADS) {
    place(DX + row_of(i / TILE))[i % TILE] = i % TILE < n ? share * place(row_of(i / TILE))[i % TILE] : real(0);
  }
  for (int i = threadIdx.x; i < CONTEXT * TILE; i += THREADS) dinput(0)[i] = dinput(1)[i] = 0;
  __syncthreads();
}

// dz to dx in place, and x as it came; dlog_det is what the first n samples have, the others have none. dx comes with dcontext alone.
__device__ __forceinline__ void walk_back(const real* flat, real dlog_det, int n, real* dflat, bool add, bool dcontext) {
  for (int k = TRANSFORMS - 1; k >= 0; k--) {
    if (!KEEP && k < TRANSFORMS - 1) shift_and_scale(flat, k);
    real *dout = output(k), *dbound = dout + n_moved(k) * TILE;
    real *x = input(k + 1) + CONTEXT * TILE, *dx = dinput(k + 1) + CONTEXT * TILE;
    for (int i = threadIdx.x; i < n_moved(k) * TILE; i += THREADS) {
      real bound = dbound[i], scale = exp(S * bound), dy = dx[i];
      x[i] = before(k)[i];
      dout[i] = dy;
      dbound[i] = (dy * (x[i] * scale) + (i % TILE < n ? dlog_det : real(0))) * (1 - bound * bound);
      dx[i] = dy * scale;
    }
    __syncthreads();
    network_back<0>(flat + start(k), dflat ? dflat + start(k) : nullptr, add, input(k), CONTEXT + n_kept(k), hidden(k), dout,
                    2 * n_moved(k), k > 0 || dcontext ? dinput(k) : nullptr, dcontext ? 0 : CONTEXT);
  }
}

// A tile into shared memory, its sample s from row taken(s) of x and context_of(s) of the context
template <class X, class C> __device__ void read(const real* x, const real* context, X taken, C context_of) {
  for (int i = threadIdx.x; i < TILE * DIM; i += THREADS) place(row_of(i % DIM))[i / DIM] = x[taken(i / DIM) * DIM + i % DIM];
  if (CONTEXT) for (int i = threadIdx.x; i < TILE * CONTEXT; i += THREADS) {
    int s = i / CONTEXT, c = i % CONTEXT;
    input(0)[c * TILE + s] = input(1)[c * TILE + s] = context[context_of(s) * CONTEXT + c];
  }
  __syncthreads();
}

// ½ zᵀz of the sample of this thread, where it has one
__device__ __forceinline__ real half_square() {
  real sum = 0;
  if (threadIdx.x < TILE) for (int i = 0; i < DIM; i++) {
    real z = place(row_of(i))[threadIdx.x];
    sum += z * z;
  }
  return real(0.5) * sum;
}

// For each tile of n rows: tile(first, how many). Samples beyond the last are copies of it: nothing overflows that would not anyway.
template <class F> __device__ void over_tiles(const real* x, const real* context, long long n, long long each, F tile) {
  for (long long first = (long long)blockIdx.x * TILE; first < n; first += (long long)gridDim.x * TILE) {
    auto taken = [=](int s) { return first + s < n ? first + s : n - 1; };
    read(x, context, taken, [=](int s) { return taken(s) / each; });
    tile(first, int(n - first < TILE ? n - first : TILE));
    __syncthreads();
  }
}

// The half below `first` rows, of one tile, to global memory, (n, DIM)
__device__ __forceinline__ void write(int origin, real* out, long long first, int n) {
  for (int i = threadIdx.x; i < n * DIM; i += THREADS) out[first * DIM + i] = place(origin + row_of(i % DIM))[i / DIM];
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
forward(const real* flat, const real* x, const real* context, long long n, long long each, real* z, real* log_det) {
  over_tiles(x, context, n, each, [=](long long first, int live) {
    real sum = walk<false>(flat);
    write(0, z, first, live);
    if (threadIdx.x < live) log_det[first + threadIdx.x] = sum;
  });
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
inverse(const real* flat, const real* z, const real* context, long long n, long long each, real* x, real* log_det) {
  over_tiles(z, context, n, each, [=](long long first, int live) {
    real sum = walk_inverse(flat);
    write(0, x, first, live);
    if (threadIdx.x < live) log_det[first + threadIdx.x] = -sum;
  });
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
log_prob(const real* flat, const real* x, const real* context, long long n, long long each, real* out) {
  over_tiles(x, context, n, each, [=](long long first, int live) {
    real value = walk<false>(flat) - half_square() - DIM * HALF_LOG_TWO_PI;
    if (threadIdx.x < live) out[first + threadIdx.x] = value;
  });
}

// log p and its gradients, row by row: dz = −z, dlog_det = 1
extern "C" __global__ void __launch_bounds__(THREADS, 1)
score(const real* flat, const real* x, const real* context, long long n, long long each, real* out, real* dx, real* dcontext) {
  over_tiles(x, context, n, each, [=](long long first, int live) {
    real value = walk<true>(flat) - half_square() - DIM * HALF_LOG_TWO_PI;
    if (threadIdx.x < live) out[first + threadIdx.x] = value;
    turn(-1, TILE);
    walk_back(flat, 1, TILE, nullptr, false, true);
    write(DX, dx, first, live);
    if (CONTEXT) for (int i = threadIdx.x; i < live * CONTEXT; i += THREADS) {
      int place = i % CONTEXT * TILE + i / CONTEXT;
      dcontext[first * CONTEXT + i] = dinput(0)[place] + dinput(1)[place];
    }
  });
}

// The minibatch of this model and step: rows (E, S, B), of which cursor says the step; −log p of its samples, summed by this block in a
// fixed order and divided by B, goes to losses (E, G). tile(first, how many) is called after each walk.
template <bool TAPED, class F> __device__ void over_batch(const real* flat, const real* x, const real* context, const int* chosen,
                                                          const int* cursor, int steps, int batch, real* losses, F tile) {
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

extern "C" __global__ void __launch_bounds__(THREADS, 1)
loss(const real* flat, const real* x, const real* context, const int* chosen, const int* cursor, int steps, int batch, real* losses) {
  over_batch<false>(flat + (long long)blockIdx.y * PARAMETERS, x, context, chosen, cursor, steps, batch, losses,
                    [](int, int) {});
}

// partial (E, G, P): what this block's samples add to the gradient of the mean loss; dcontext (C, B) where with_dcontext is not 0
extern "C" __global__ void __launch_bounds__(THREADS, 1)
gradient(const real* flat, const real* x, const real* context, const int* chosen, const int* cursor, int steps, int batch, real* partial,
         real* losses, real* dcontext, int with_dcontext) {
  flat += (long long)blockIdx.y * PARAMETERS;
  partial += ((long long)blockIdx.y * gridDim.x + blockIdx.x) * PARAMETERS;
  if ((long long)blockIdx.x * TILE >= batch) for (int i = threadIdx.x; i < PARAMETERS; i += THREADS) partial[i] = 0;
  real share = real(1) / batch;
  over_batch<true>(flat, x, context, chosen, cursor, steps, batch, losses, [=](int first, int live) {
    turn(share, live);
    walk_back(flat, -share, live, partial, first >= (int)gridDim.x * TILE, CONTEXT && with_dcontext);
    if (CONTEXT && with_dcontext) for (int i = threadIdx.x; i < CONTEXT * TILE; i += THREADS) {
      if (i % TILE < live) dcontext[(long long)(i / TILE) * batch + first + i % TILE] = dinput(0)[i] + dinput(1)[i];
    }
  });
}
