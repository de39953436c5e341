// The networks of a masked autoregressive flow: their shapes, which of their weights are allowed, and how a block of threads holds them.
//
// Units of a hidden layer are sorted by degree (density/made.py), so that a unit sees a prefix of the layer below. A block holds the
// layers in shared memory with their columns in groups of UNITS of one degree each, the last group of a degree filled up with zeros:
// four weights of one row are one vector load, and a group multiplies by what its degree sees and no more. The columns of the last layer
// are μ₁, a₁, μ₂, a₂, …. Masked weights are read as zero, whatever the parameters hold.
#include "kernels/common/real.cuh"

#ifndef HIDDEN_1
#define HIDDEN_1 0
#endif
#ifndef HIDDEN_2
#define HIDDEN_2 0
#endif
#ifndef HIDDEN_3
#define HIDDEN_3 0
#endif

constexpr int UNITS = 4;
__host__ __device__ constexpr int n_units(int l) { return l == 0 ? HIDDEN_0 : l == 1 ? HIDDEN_1 : l == 2 ? HIDDEN_2 : l == 3 ? HIDDEN_3 : 0; }
constexpr int LAST = HIDDEN_3 ? 4 : HIDDEN_2 ? 3 : HIDDEN_1 ? 2 : 1;  // the number of the output layer; hidden layers are before it
constexpr int LOWEST = CONTEXT || DIM == 1 ? 0 : 1;                   // the lowest degree of a hidden unit
constexpr int HIDDEN = HIDDEN_0 + HIDDEN_1 + HIDDEN_2 + HIDDEN_3;
constexpr real S = 7;                                                 // the bound of log σ

__host__ __device__ constexpr int most(int a, int b) { return a > b ? a : b; }
__host__ __device__ constexpr int least(int a, int b) { return a < b ? a : b; }

// of n units, those of degree i at most
__host__ __device__ constexpr int up_to(int n, int i) { return i < LOWEST ? 0 : least(n, over((i + 1 - LOWEST) * n, DIM - LOWEST)); }
__host__ __device__ constexpr int n_in(int l) { return l == 0 ? CONTEXT + DIM : n_units(l - 1); }
__host__ __device__ constexpr int n_out(int l) { return l == LAST ? 2 * DIM : n_units(l); }
__host__ __device__ constexpr int n_of_degree(int l, int i) { return up_to(n_units(l), i) - up_to(n_units(l), i - 1); }
__host__ __device__ constexpr int padded(int n) { return over(n, UNITS) * UNITS; }
__host__ __device__ constexpr int width(int l) {                                          // columns in shared memory
  if (l == LAST) return padded(2 * DIM);
  int n = 0;
  for (int i = LOWEST; i < DIM; i++) n += padded(n_of_degree(l, i));
  return n;
}
__host__ __device__ constexpr int flat_of(int l) { int n = 0; for (int m = 0; m < l; m++) n += (1 + n_in(m)) * n_out(m); return n; }
__host__ __device__ constexpr int staged_of(int l) { int n = 0; for (int m = 0; m < l; m++) n += (1 + n_in(m)) * width(m); return n; }
__host__ __device__ constexpr int columns_of(int l) { int n = 0; for (int m = 0; m < l; m++) n += width(m); return n; }
__host__ __device__ constexpr int hidden_of(int l) { int n = 0; for (int m = 0; m < l; m++) n += n_units(m); return n; }
constexpr int FLAT = flat_of(LAST + 1);                               // parameters of one transform
constexpr int STAGED = staged_of(LAST + 1);                           // and the room that they take in shared memory
constexpr int WIDEST = most(most(width(0), width(1)), most(LAST > 1 ? width(2) : 0, most(LAST > 2 ? width(3) : 0, LAST > 3 ? width(4) : 0)));
constexpr int DEEPEST = most(most(n_in(0), n_units(0)), most(n_units(1), most(n_units(2), n_units(3))));

struct Shape {
  short unit[LAST + 1][WIDEST];                                       // which of the layer's outputs a column holds, −1 for none
  short seen[LAST + 1][WIDEST];                                       // how many of the layer's inputs it sees
  short from[LAST + 1][DEEPEST];                                      // the first column that sees an input, at the start of a group
  short column[LAST + 1][DEEPEST];                                    // the column of a hidden unit
  short first[LAST + 1][DIM + 1];                                     // the first column of a degree
};
__host__ __device__ constexpr Shape make_shape() {
  Shape shape{};
  for (int l = 0; l < LAST; l++) {
    int at = 0;
    for (int i = 0; i < DIM; i++) {
      int start = up_to(n_units(l), i - 1), n = n_of_degree(l, i);
      shape.first[l][i] = at;
      for (int c = 0; c < padded(n); c++, at++) {
        shape.unit[l][at] = c < n ? start + c : -1;
        shape.seen[l][at] = l ? up_to(n_in(l), i) : CONTEXT + i;
        if (c < n) shape.column[l][start + c] = at;
      }
    }
    shape.first[l][DIM] = at;
  }
  for (int c = 0; c < width(LAST); c++) {
    int i = c / 2;
    shape.unit[LAST][c] = i < DIM ? c % 2 * DIM + i : -1;
    shape.seen[LAST][c] = up_to(n_in(LAST), least(i, DIM - 1));
  }
  for (int l = 0; l <= LAST; l++)
    for (int k = 0; k < n_in(l); k++) {
      int c = 0;
      while (c < width(l) && shape.seen[l][c + UNITS - 1] <= k) c += UNITS;
      shape.from[l][k] = c;
    }
  return shape;
}
__device__ constexpr Shape shape = make_shape();

// N neighbouring numbers, loaded at once where they are aligned
template <int N> struct alignas(N * sizeof(real) < 16 ? N * sizeof(real) : 16) Some { real v[N]; };
template <int N> __device__ __forceinline__ Some<N> load(const real* p) { return *reinterpret_cast<const Some<N>*>(p); }
template <int N> __device__ __forceinline__ void store(real* p, const Some<N>& s) { *reinterpret_cast<Some<N>*>(p) = s; }

// The layers of K transforms into shared memory. Each thread walks down one column; loads go out together before the first is stored,
// from addresses that are valid even where a weight is masked, since a branch around a load would wait for it.
constexpr int TOGETHER = sizeof(real) == 4 ? 16 : 8;

template <int K, int L = 0> __device__ __forceinline__ void stage_layers(const real* __restrict__ flat, real* staged) {
  constexpr int W = width(L), N = n_out(L), ROWS = 1 + n_in(L), ABREAST = THREADS > W ? THREADS / W : 1, STEPS = over(ROWS, ABREAST);
  for (int start = threadIdx.x; start < ABREAST * W; start += THREADS) {
    int c = start % W, unit = shape.unit[L][c], rows = unit < 0 ? 0 : 1 + shape.seen[L][c];
    const real* from = flat + flat_of(L) + most(unit, 0);
    for (int first = 0; first < K * STEPS; first += TOGETHER) {
      real weight[TOGETHER];
#pragma unroll
      for (int j = 0; j < TOGETHER; j++) {
        int m = least(first + j, K * STEPS - 1), r = least(start / W + m % STEPS * ABREAST, ROWS - 1);
        weight[j] = from[m / STEPS * FLAT + r * N];
      }
#pragma unroll
      for (int j = 0; j < TOGETHER; j++) {
        int m = first + j, r = start / W + m % STEPS * ABREAST;
        if (m < K * STEPS && r < ROWS) staged[m / STEPS * STAGED + staged_of(L) + r * W + c] = r < rows ? weight[j] : real(0);
      }
    }
  }
  if constexpr (L < LAST) stage_layers<K, L + 1>(flat, staged);
}

// Inputs of a layer above the first that are taken where `seen` of them count: whole groups, whose last weights are zero.
template <int L> __host__ __device__ constexpr int taken(int seen) { return least(n_in(L), padded(seen)); }

// sum[u][v] += Σ_k w[k][u] in[k][v] over n rows of weights, `width` apart, and of inputs, `pitch` apart; many loads are under way at once
template <int U, int V> __device__ __forceinline__ void accumulate(Some<V> (&sum)[U], const real* w, int width, const real* in, int pitch, int n) {
#pragma unroll (V == 1 ? 8 : 4)
  for (int k = 0; k < n; k++) {
    Some<U> a = load<U>(w + k * width);
    Some<V> x = load<V>(in + k * pitch);
    for (int u = 0; u < U; u++) for (int v = 0; v < V; v++) sum[u].v[v] = fma(a.v[u], x.v[v], sum[u].v[v]);
  }
}
