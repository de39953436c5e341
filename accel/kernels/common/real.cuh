// What every kernel includes: the number type `real`, the dynamic shared memory, and division that rounds up.
#ifndef DYN_SHARED
#define DYN_SHARED(T, name) \
  extern __shared__ __align__(16) unsigned char dynamic_shared_memory[]; \
  T* name = reinterpret_cast<T*>(dynamic_shared_memory)
#endif

typedef REAL real;

// ⌈n / d⌉
__host__ __device__ constexpr int over(int n, int d) { return (n + d - 1) / d; }
