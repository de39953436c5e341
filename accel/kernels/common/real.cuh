// What every kernel starts from: the number type, the dynamic shared memory, and a counter-based generator.
#ifndef DYN_SHARED
#define DYN_SHARED(T, name) extern __shared__ __align__(16) unsigned char dynamic_shared_memory[]; T* name = reinterpret_cast<T*>(dynamic_shared_memory)
#endif

typedef REAL real;

// ceil(n / d)
__host__ __device__ constexpr int over(int n, int d) { return (n + d - 1) / d; }
