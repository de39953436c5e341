// The sizes of a score network, all known to the compiler: layers from INPUTS numbers through hidden layers
// of HIDDEN units to DIM outputs. Its flat parameters are the layers [b; W] in turn. INPUTS is DIM, or DIM
// and the numbers of e(σ).
__host__ __device__ constexpr int width(int k) { constexpr int w[] = {INPUTS, HIDDEN, DIM}; return w[k]; }
__host__ __device__ constexpr int n_hidden() { constexpr int w[] = {HIDDEN}; return sizeof(w) / sizeof(int); }
constexpr int LAYERS = n_hidden() + 1, N_TAU = INPUTS - DIM;

__host__ __device__ constexpr int widest() {
  int w = 0;
  for (int k = 1; k < LAYERS; k++) w = width(k) > w ? width(k) : w;
  return w;
}

// the numbers before layer k in the flat parameters
__host__ __device__ constexpr int offset(int k) {
  int p = 0;
  for (int i = 0; i < k; i++) p += (1 + width(i)) * width(i + 1);
  return p;
}
