// The ratio's classifier over pairs of rows: its logits (6), its loss (8) and the gradient; formulas in
// inference/ratio.py, rows and derivation in inference/_ratio_rows.py, the launcher in launch.py.
//
// A block takes ROWS rows of x, each with the PAIRS rows of θ that it is paired with, side by side: TILE =
// ROWS · PAIRS pairs, feature-major in shared memory. What matched and mismatched pairs add to a gradient
// nearly cancels, and here it does so at once. Each pair goes through the whole network, on [u, v, c] with v
// = s − m, where array code computes what the first layer makes of a row once: that costs 2P + C inputs for
// each pair, and saves all sums over pairs. Parameters are in shared memory where they fit (STAGED).
//
// Operations: with W weights, W multiply-adds for each pair forward, 3W in training.
// Bytes in float32: 4 (3P + C + 1) for each pair, the parameters once for each block, the gradient written
// once for each block and read and written for each later tile. Small batches are bound by latency.
// Macros: P, CONTEXT and HIDDEN, the sizes of the network; PAIRS, ROWS, STAGED, THREADS, the plan of the
// launch.
// Compiled in the tests with P=5 CONTEXT=10 HIDDEN=64,64,64 PAIRS=6 ROWS=4 STAGED=1 THREADS=256
#define TILE (ROWS * PAIRS)
constexpr int MOST_INPUTS = 2 * P + CONTEXT, MOST_OUTPUTS = 1 + CONTEXT;
#include "kernels/common/network.cuh"

constexpr int INPUTS = MOST_INPUTS, OUTPUTS = MOST_OUTPUTS, PARAMETERS = network_size(INPUTS, OUTPUTS, false);
constexpr int PER_THETA = 2 * P + 1, PER_X = CONTEXT + P;             // numbers of a row
constexpr int U = 1, V = U + P, C = V + P;          // where these begin among the inputs, below a row of ones
constexpr int HIDDEN_ROW = 1 + INPUTS, OUT = HIDDEN_ROW + HIDDEN_ROWS, F = OUT + OUTPUTS, DINPUT = F + 1;

__device__ real* staged() { DYN_SHARED(real, memory); return memory; }
__device__ real* place(int row) {
  return staged() + (STAGED ? network_size(INPUTS, OUTPUTS, true) : 0) + row * LD;
}

__device__ void begin(const real* flat) {
  if (STAGED) stage_network<0>(flat, INPUTS, OUTPUTS, staged());
  set_ones<0>(place(HIDDEN_ROW));
  for (int s = threadIdx.x; s < TILE; s += THREADS) place(0)[s] = 1;
}

// The logits of a tile, in row F: pair s has row theta_of(s) of θ and x_of(s) of x
template <class Theta, class X>
__device__ void logits(const real* flat, const real* theta_rows, const real* x_rows, Theta theta_of, X x_of) {
  for (int i = threadIdx.x; i < TILE * PER_THETA; i += THREADS) {
    int s = i / PER_THETA, j = i % PER_THETA;
    real value = theta_rows[theta_of(s) * PER_THETA + j];
    if (j >= P && j < 2 * P) value -= x_rows[x_of(s) * PER_X + CONTEXT + j - P];
    place(j < 2 * P ? U + j : F)[s] = value;                          // u, v; and the beginning of log r₀
  }
  for (int i = threadIdx.x; i < TILE * CONTEXT; i += THREADS) {
    int s = i / CONTEXT, c = i % CONTEXT;
    place(C + c)[s] = x_rows[x_of(s) * PER_X + c];
  }
  __syncthreads();
  network<0>(STAGED ? staged() : flat, place(0), INPUTS, place(HIDDEN_ROW), place(OUT), OUTPUTS);
  for (int s = threadIdx.x; s < TILE; s += THREADS) {
    real square = 0, f = place(OUT)[s];
    for (int p = 0; p < P; p++) square += place(V + p)[s] * place(V + p)[s];
    for (int c = 0; c < CONTEXT; c++) f += place(OUT + 1 + c)[s] * place(C + c)[s];
    place(F)[s] = f + (place(F)[s] - real(0.5) * square);             // (5), (6)
  }
  __syncthreads();
}

// dout = df [1; c] in the place of the outputs; no barrier
template <class DF> __device__ void turn(DF df) {
  for (int i = threadIdx.x; i < OUTPUTS * TILE; i += THREADS) {
    int c = i / TILE, s = i % TILE;
    place(OUT + c)[s] = df(s) * (c ? place(C + c - 1)[s] : real(1));
  }
}

__device__ real log_add(real a, real b) {
  real most = a > b ? a : b, least = a > b ? b : a;
  return most + (most == least ? real(0.69314718055994530942) : log1p(exp(least - most)));
}

// Twice the cross-entropy of one row's logits f[0 … K]; where GRADIENT, 2 ∂/∂f · share in the place of f
template <bool GRADIENT> __device__ real cross_entropy(real* f, real share) {
  real log_k = log(real(PAIRS - 1)), shared = log_k;
  for (int k = 1; k < PAIRS - 1; k++) shared = log_add(shared, f[k]);
  real matched = f[0], with_matched = log_add(shared, matched), without = log_add(shared, f[PAIRS - 1]);
  if (GRADIENT) {
    for (int k = PAIRS - 1; k > 0; k--) {
      real in_both = k < PAIRS - 1 ? exp(f[k] - with_matched) : real(0);
      f[k] = share * (exp(f[k] - without) + in_both);
    }
    f[0] = share * expm1(matched - with_matched);                   // its own −1 included, which would cancel
  }
  return (with_matched - matched) + (without - log_k);                // (8)
}

// A minibatch of a model, as in training/engines.py; tile(first, how many rows) is called with each tile's
// logits or, where GRADIENT, with their cotangents.
template <bool GRADIENT, class Tile>
__device__ void over_batch(const real* flat, const real* theta_rows, const real* x_rows, const int* chosen,
                           const int* cursor, int steps, int batch, real* losses, Tile tile) {
  begin(flat);
  chosen += ((long long)blockIdx.y * steps + cursor[0]) * batch;
  real loss = 0, share = real(0.5) / batch;
  for (int first = blockIdx.x * ROWS; first < batch; first += gridDim.x * ROWS) {
    auto row_of = [=](int s) { return first + s / PAIRS < batch ? first + s / PAIRS : batch - 1; };
    auto theta_of = [=](int s) { return (long long)chosen[(row_of(s) + s % PAIRS) % batch]; };
    logits(flat, theta_rows, x_rows, theta_of, [=](int s) { return (long long)chosen[row_of(s)]; });
    if (threadIdx.x < ROWS) {
      bool live = first + (int)threadIdx.x < batch;
      real value = cross_entropy<GRADIENT>(place(F) + threadIdx.x * PAIRS, live ? share : real(0));
      if (live) loss += share * value;
    }
    __syncthreads();
    tile(first);
  }
  if (threadIdx.x < ROWS) place(F)[threadIdx.x] = loss;
  __syncthreads();
  if (threadIdx.x == 0) {
    real sum = 0;
    for (int r = 0; r < ROWS; r++) sum += place(F)[r];
    losses[(long long)blockIdx.y * gridDim.x + blockIdx.x] = sum;
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
loss(const real* flat, const real* theta_rows, const real* x_rows, const int* chosen, const int* cursor,
     int steps, int batch, real* losses) {
  flat += (long long)blockIdx.y * PARAMETERS;
  over_batch<false>(flat, theta_rows, x_rows, chosen, cursor, steps, batch, losses, [](int) {});
}

// partial (E, G, parameters), losses (E, G): what this block's rows add to the mean loss and its gradient
extern "C" __global__ void __launch_bounds__(THREADS, 1)
gradient(const real* flat, const real* theta_rows, const real* x_rows, const int* chosen, const int* cursor,
         int steps, int batch, real* partial, real* losses) {
  flat += (long long)blockIdx.y * PARAMETERS;
  partial += ((long long)blockIdx.y * gridDim.x + blockIdx.x) * PARAMETERS;
  if ((long long)blockIdx.x * ROWS >= batch)
    for (int i = threadIdx.x; i < PARAMETERS; i += THREADS) partial[i] = 0;
  over_batch<true>(flat, theta_rows, x_rows, chosen, cursor, steps, batch, losses, [=](int first) {
    turn([](int s) { return place(F)[s]; });
    __syncthreads();
    network_back<0>(STAGED ? staged() : flat, partial, first >= (int)gridDim.x * ROWS, place(0), INPUTS,
                    place(HIDDEN_ROW), place(OUT), OUTPUTS, nullptr, 0);
  });
}

// The logits of n rows of θ, each with its own row of x or with the one that there is, a tile at a time;
// PAIRS is 1
template <class Tile>
__device__ void over_pairs(const real* flat, const real* theta_rows, const real* x_rows, long long n, int n_x,
                           real* out, Tile tile) {
  for (long long first = (long long)blockIdx.x * TILE; first < n; first += (long long)gridDim.x * TILE) {
    auto row_of = [=](int s) { return first + s < n ? first + s : n - 1; };
    logits(flat, theta_rows, x_rows, row_of, [=](int s) { return n_x == 1 ? 0LL : row_of(s); });
    for (int s = threadIdx.x; s < TILE; s += THREADS) if (first + s < n) out[first + s] = place(F)[s];
    tile(first);
    __syncthreads();
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
log_ratio(const real* flat, const real* theta_rows, const real* x_rows, long long n, int n_x, real* out) {
  begin(flat);
  over_pairs(flat, theta_rows, x_rows, n, n_x, out, [](long long) {});
}

// And its gradient with respect to its own row of θ: dout = [1; c], du of the input's, ds = dv − v, dg = 1
extern "C" __global__ void __launch_bounds__(THREADS, 1)
log_ratio_and_grad(const real* flat, const real* theta_rows, const real* x_rows, long long n, int n_x,
                   real* out, real* drows) {
  begin(flat);
  over_pairs(flat, theta_rows, x_rows, n, n_x, out, [=](long long first) {
    turn([](int) { return real(1); });
    for (int i = threadIdx.x; i < (1 + INPUTS) * TILE; i += THREADS) place(DINPUT + i / TILE)[i % TILE] = 0;
    __syncthreads();
    network_back<0>(STAGED ? staged() : flat, nullptr, false, place(0), INPUTS, place(HIDDEN_ROW), place(OUT),
                    OUTPUTS, place(DINPUT), 0);
    for (int i = threadIdx.x; i < TILE * PER_THETA; i += THREADS) {
      int s = i / PER_THETA, j = i % PER_THETA;
      real value = j == 2 * P ? real(1) : place(DINPUT + U + j)[s];
      if (j >= P && j < 2 * P) value -= place(U + j)[s];
      if (first + s < n) drows[first * PER_THETA + i] = value;
    }
  });
}
