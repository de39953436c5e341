// Networks of dense layers with tanh between them, forward and backward over a tile. HIDDEN lists the units
// of the hidden layers; MOST_INPUTS and MOST_OUTPUTS are the largest sizes of any network of the file.
#include "kernels/common/dense.cuh"

__host__ __device__ constexpr int width(int layer) {
  constexpr int widths[] = {HIDDEN};
  return widths[layer];
}
__host__ __device__ constexpr int n_layers() {
  constexpr int widths[] = {HIDDEN};
  return sizeof(widths) / sizeof(int);
}
__host__ __device__ constexpr int hidden_rows() {
  int n = 0;
  for (int l = 0; l < n_layers(); l++) n += 1 + width(l);
  return n;
}
constexpr int LAYERS = n_layers(), HIDDEN_ROWS = hidden_rows();

// The numbers of a network's parameters, staged or flat
__host__ __device__ constexpr int network_size(int n_in, int n_out, bool staged) {
  int n = 0;
  for (int l = 0; l <= LAYERS; l++) {
    int out = l < LAYERS ? width(l) : n_out;
    n += staged ? size_of(n_in, out) : (1 + n_in) * out;
    n_in = out;
  }
  return n;
}

// Stage a network's parameters
template <int L> __device__ void stage_network(const real* layer, int n_in, int n_out, real* to) {
  if constexpr (L < LAYERS) {
    stage(layer, n_in, width(L), to);
    stage_network<L + 1>(layer + (1 + n_in) * width(L), width(L), n_out, to + size_of(n_in, width(L)));
  } else stage(layer, n_in, n_out, to);
}

// The row of ones before each hidden layer; these lie from h on. No barrier.
template <int L> __device__ void set_ones(real* h) {
  if constexpr (L < LAYERS) {
    for (int s = threadIdx.x; s < TILE; s += THREADS) h[s] = 1;
    set_ones<L + 1>(h + (1 + width(L)) * LD);
  }
}

// The network's output; the units of the hidden layers stay from h on, each layer after its row of ones
template <int L>
__device__ void network(const real* layer, const real* in, int n_in, real* h, real* out, int n_out) {
  constexpr int MOST_IN = L ? width(L - 1) : MOST_INPUTS;
  if constexpr (L < LAYERS) {
    dense<MOST_IN, width(L)>(layer, n_in, width(L), in, h + LD, [](Four a, int, int) {
      for (real& value : a.v) value = tanh(value);
      return a;
    });
    network<L + 1>(layer + size_of(n_in, width(L)), h, width(L), h + (1 + width(L)) * LD, out, n_out);
  } else dense<MOST_IN, MOST_OUTPUTS>(layer, n_in, n_out, in, out, [](Four a, int, int) { return a; });
}

// Backward: the cotangents of each hidden layer replace its units; those of the input, from its row `first`
// on, are added to din. The gradient of the parameters is left out if dlayer is null, that of the input if
// din is null.
template <int L>
__device__ void network_back(const real* layer, real* dlayer, bool add, real* in, int n_in, real* h,
                             const real* dout, int n_out, real* din, int first) {
  constexpr int MOST_IN = L ? width(L - 1) : MOST_INPUTS, MOST_OUT = L < LAYERS ? width(L) : MOST_OUTPUTS;
  const real* da = dout;
  int n = n_out;
  if constexpr (L < LAYERS) {
    da = h + LD, n = width(L);
    real* above = dlayer ? dlayer + (1 + n_in) * n : nullptr;
    network_back<L + 1>(layer + size_of(n_in, n), above, add, h, n, h + (1 + n) * LD, dout, n_out, din,
                        first);
  }
  if (dlayer) dense_gradient(dlayer, n_in, n, in, da, add);
  if constexpr (L > 0) {
    dense_transposed<MOST_IN, MOST_OUT>(layer, n_in, n, 0, da, in, [=](Four d, int k, int s) {
      const Four& below = four(in + k * LD, s);
      for (int v = 0; v < 4; v++) d.v[v] *= 1 - below.v[v] * below.v[v];
      return d;
    });
  } else if (din) {
    dense_transposed<MOST_IN, MOST_OUT>(layer, n_in, n, first, da, din, [=](Four d, int k, int s) {
      for (int v = 0; v < 4; v++) d.v[v] += four(din + k * LD, s).v[v];
      return d;
    });
  }
}
