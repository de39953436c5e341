// The sizes of a score network, which are compiled in: LAYERS layers from DIM + TOLD inputs (x scaled, and
// the embedding of σ) through LAYERS − 1 hidden layers of H1, H2, H3, H4 units to DIM outputs. Its flat
// parameters are the layers [b; W] in turn.
#ifndef H2
#define H2 0
#endif
#ifndef H3
#define H3 0
#endif
#ifndef H4
#define H4 0
#endif
constexpr int TOLD = 8;                                               // features of the embedding of σ

__host__ __device__ constexpr int width(int k) {
  const int w[] = {DIM + TOLD, H1, H2, H3, H4};
  return k < LAYERS ? w[k] : DIM;
}
__host__ __device__ constexpr int widest() {
  int w = 0;
  for (int k = 1; k < LAYERS; k++) w = width(k) > w ? width(k) : w;
  return w;
}
// The numbers before layer k in the flat parameters
__host__ __device__ constexpr int offset(int k) {
  int p = 0;
  for (int i = 0; i < k; i++) p += (1 + width(i)) * width(i + 1);
  return p;
}
