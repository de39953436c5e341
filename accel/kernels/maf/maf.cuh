// The networks of a masked autoregressive flow: their shapes, which weights their masks allow, and how a
// block stores them. Formula numbers with `made` are those of density/made.py, with `maf` those of
// density/maf.py.
//
// Units of a hidden layer are sorted by degree, so that a unit sees a prefix of the layer below. A block
// holds the layers in shared memory, with their columns in groups of UNITS of one degree; the last group of a
// degree is filled up with zeros. Four weights of a row are one vector load, and a group multiplies only by
// what its degree sees. The columns of the last layer are μ₁, a₁, μ₂, a₂, …. Masked weights are staged as
// zeros, whatever the parameters hold.
//
// The launcher defines DIM, CONTEXT, TRANSFORMS, HIDDEN_0 … HIDDEN_3 (units), BOUND (S of made (4)), UNITS,
// and the plan: TILE, PITCH, THREADS, RESIDENT (accel/kernels/plan.py).
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

__host__ __device__ constexpr int larger(int a, int b) { return a > b ? a : b; }
__host__ __device__ constexpr int smaller(int a, int b) { return a < b ? a : b; }

__host__ __device__ constexpr int n_units(int l) {
  return l == 0 ? HIDDEN_0 : l == 1 ? HIDDEN_1 : l == 2 ? HIDDEN_2 : l == 3 ? HIDDEN_3 : 0;
}
constexpr int LAST = HIDDEN_3 ? 4 : HIDDEN_2 ? 3 : HIDDEN_1 ? 2 : 1;  // the output layer, after hidden ones
constexpr int LOWEST = CONTEXT || DIM == 1 ? 0 : 1;                   // of a hidden unit's degrees: made (2)
constexpr int HIDDEN = HIDDEN_0 + HIDDEN_1 + HIDDEN_2 + HIDDEN_3;

// Of n units, the number of those of degree i or lower: made (2)
__host__ __device__ constexpr int up_to(int n, int i) {
  return i < LOWEST ? 0 : smaller(n, over((i + 1 - LOWEST) * n, DIM - LOWEST));
}
__host__ __device__ constexpr int n_in(int l) { return l == 0 ? CONTEXT + DIM : n_units(l - 1); }
__host__ __device__ constexpr int n_out(int l) { return l == LAST ? 2 * DIM : n_units(l); }
__host__ __device__ constexpr int n_of_degree(int l, int i) {
  return up_to(n_units(l), i) - up_to(n_units(l), i - 1);
}
__host__ __device__ constexpr int padded(int n) { return over(n, UNITS) * UNITS; }
__host__ __device__ constexpr int width(int l) {                      // columns in shared memory
  if (l == LAST) return padded(2 * DIM);
  int n = 0;
  for (int i = LOWEST; i < DIM; i++) n += padded(n_of_degree(l, i));
  return n;
}

// What comes before layer l: numbers of the flat parameters, numbers of the staged ones, columns, hidden
// units
__host__ __device__ constexpr int flat_of(int l) {
  int n = 0;
  for (int m = 0; m < l; m++) n += (1 + n_in(m)) * n_out(m);
  return n;
}
__host__ __device__ constexpr int staged_of(int l) {
  int n = 0;
  for (int m = 0; m < l; m++) n += (1 + n_in(m)) * width(m);
  return n;
}
__host__ __device__ constexpr int columns_of(int l) {
  int n = 0;
  for (int m = 0; m < l; m++) n += width(m);
  return n;
}
__host__ __device__ constexpr int hidden_of(int l) {
  int n = 0;
  for (int m = 0; m < l; m++) n += n_units(m);
  return n;
}
__host__ __device__ constexpr int widest() {
  int w = 0;
  for (int l = 0; l <= LAST; l++) w = larger(w, width(l));
  return w;
}
__host__ __device__ constexpr int most_inputs() {
  int n = 0;
  for (int l = 0; l <= LAST; l++) n = larger(n, n_in(l));
  return n;
}
constexpr int N_FLAT = flat_of(LAST + 1);                             // parameters of one transform
constexpr int N_STAGED = staged_of(LAST + 1);                         // numbers of its staged layers
constexpr int WIDEST = widest(), MOST_INPUTS = most_inputs();

struct Shape {
  short unit[LAST + 1][WIDEST];                                       // the layer's output in a column, or −1
  short seen[LAST + 1][WIDEST];                                       // inputs that a column sees: made (3)
  short from[LAST + 1][MOST_INPUTS];                                  // the first group that sees an input
  short column[LAST + 1][MOST_INPUTS];                                // the column of a hidden unit
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
    shape.seen[LAST][c] = up_to(n_in(LAST), smaller(i, DIM - 1));
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
template <int N> struct alignas(N * sizeof(real) < 16 ? N * sizeof(real) : 16) Vec { real v[N]; };
template <int N> __device__ __forceinline__ Vec<N> load(const real* p) {
  return *reinterpret_cast<const Vec<N>*>(p);
}
template <int N> __device__ __forceinline__ void store(real* p, const Vec<N>& value) {
  *reinterpret_cast<Vec<N>*>(p) = value;
}

// made (4): log σ = S tanh(a/S)
constexpr real S = BOUND;
__device__ __forceinline__ real tanh_of(real a) { return tanh(a * real(1.0 / BOUND)); }

// The layers of K transforms into shared memory. Each thread copies one column. TOGETHER loads are issued
// before the first value is stored; they read valid addresses even where a weight is masked, since a branch
// around a load would wait for it.
constexpr int TOGETHER = sizeof(real) == 4 ? 16 : 8;

template <int K, int L = 0>
__device__ __forceinline__ void stage_layers(const real* __restrict__ flat, real* staged) {
  constexpr int W = width(L), N = n_out(L), ROWS = 1 + n_in(L);
  constexpr int ABREAST = THREADS > W ? THREADS / W : 1, STEPS = over(ROWS, ABREAST);
  for (int start = threadIdx.x; start < ABREAST * W; start += THREADS) {
    int c = start % W, unit = shape.unit[L][c], rows = unit < 0 ? 0 : 1 + shape.seen[L][c];
    const real* from = flat + flat_of(L) + larger(unit, 0);
    for (int first = 0; first < K * STEPS; first += TOGETHER) {
      real weight[TOGETHER];
#pragma unroll
      for (int j = 0; j < TOGETHER; j++) {
        int m = smaller(first + j, K * STEPS - 1), r = smaller(start / W + m % STEPS * ABREAST, ROWS - 1);
        weight[j] = from[m / STEPS * N_FLAT + r * N];
      }
#pragma unroll
      for (int j = 0; j < TOGETHER; j++) {
        int m = first + j, r = start / W + m % STEPS * ABREAST;
        if (m < K * STEPS && r < ROWS)
          staged[m / STEPS * N_STAGED + staged_of(L) + r * W + c] = r < rows ? weight[j] : real(0);
      }
    }
  }
  if constexpr (L < LAST) stage_layers<K, L + 1>(flat, staged);
}

// How many inputs of a layer above the first are multiplied where `seen` are allowed: whole groups, whose
// last weights are zeros
template <int L> __host__ __device__ constexpr int n_multiplied(int seen) {
  return smaller(n_in(L), padded(seen));
}

// sum[u][v] += Σ_k w[k][u] in[k][v] over n rows of weights, `width` apart, and of inputs, `pitch` apart
template <int U, int V>
__device__ __forceinline__ void accumulate(Vec<V> (&sum)[U], const real* w, int width, const real* in,
                                           int pitch, int n) {
#pragma unroll (V == 1 ? 8 : 4)
  for (int k = 0; k < n; k++) {
    Vec<U> a = load<U>(w + k * width);
    Vec<V> x = load<V>(in + k * pitch);
    for (int u = 0; u < U; u++) for (int v = 0; v < V; v++) sum[u].v[v] = fma(a.v[u], x.v[v], sum[u].v[v]);
  }
}
