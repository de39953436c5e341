// Runs CUDA C++ kernels on the CPU: one fiber for each CUDA thread, the blocks of a grid one after another.
// Both run in their order or in the opposite one, so that a result that depends on the order is found out.
//
// Supported: threadIdx, blockIdx, blockDim, gridDim; static and dynamic shared memory (poisoned with NaN);
// __syncthreads, __syncwarp, shuffles and votes of whole warps; atomics; the float and double mathematics of
// CUDA under its own names. A barrier that not all threads of a block reach ends the process with a message.
// Races, bank conflicts and the order of atomics are not seen.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <tuple>
#include <utility>
#include <vector>
#include <sys/mman.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __restrict__
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("cuda_shared")))  // one section, so that it can be poisoned
#define __align__(n) alignas(n)
#define DYN_SHARED(T, name) T* name = reinterpret_cast<T*>(simulated::dynamic_shared())
struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x, y, z; dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {} };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) double2 { double x, y; };
inline float4 make_float4(float a, float b, float c, float d) { return {a, b, c, d}; }
inline float2 make_float2(float a, float b) { return {a, b}; }
inline double2 make_double2(double a, double b) { return {a, b}; }
inline uint4 make_uint4(unsigned a, unsigned b, unsigned c, unsigned d) { return {a, b, c, d}; }
inline uint2 make_uint2(unsigned a, unsigned b) { return {a, b}; }

extern "C" __attribute__((weak, visibility("hidden"))) char __start_cuda_shared[], __stop_cuda_shared[];

namespace simulated {
#if defined(__x86_64__)
typedef void* Context;              // a stack pointer, below it the registers that a call keeps
__attribute__((naked, noinline)) inline void switch_to(Context*, Context*) {
  asm("pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
      "movq %rsp, (%rdi)\n movq (%rsi), %rsp\n"
      "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n");
}
inline void prepare(Context& context, std::vector<char>& stack, void (*entry)()) {
  auto top = reinterpret_cast<uintptr_t>(stack.data() + stack.size()) & ~uintptr_t(15);
  auto words = reinterpret_cast<void**>(top) - 8;       // six registers, the entry, an unused return address
  std::fill(words, words + 8, nullptr);
  words[6] = reinterpret_cast<void*>(entry);
  context = words;
}
#else
typedef ucontext_t Context;
inline void switch_to(Context* from, Context* to) { swapcontext(from, to); }
inline void prepare(Context& context, std::vector<char>& stack, void (*entry)()) {
  getcontext(&context);
  context.uc_stack.ss_sp = stack.data(); context.uc_stack.ss_size = stack.size(); context.uc_link = nullptr;
  makecontext(&context, entry, 0);
}
#endif
enum Waiting { RUNNING, FOR_BLOCK, FOR_WARP, DONE };
struct Fiber {
  Context context;
  std::vector<char> stack;
  uint3 place;
  unsigned number;
  Waiting waiting;
  uint64_t slot;
};
inline std::vector<Fiber> fibers;
inline Fiber* current;
inline Context scheduler;
inline char* shared;                       // it ends, up to alignment, where memory must not be touched
inline size_t n_shared_bytes;
inline void* dynamic_shared() { return shared; }
inline void fence_shared(size_t n) {
  static char* region; static size_t mapped;
  n_shared_bytes = (n + 15) / 16 * 16;
  size_t whole = (n_shared_bytes + 4095) / 4096 * 4096;
  if (whole != mapped || !region) {
    if (region) munmap(region, mapped + 4096);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    region = static_cast<char*>(mmap(nullptr, whole + 4096, PROT_READ | PROT_WRITE, flags, -1, 0));
    mprotect(region + whole, 4096, PROT_NONE);
    mapped = whole;
  }
  shared = region + whole - n_shared_bytes;
}
inline void (*body)(void*);
inline void* body_argument;
inline bool backwards;
inline void wait(Waiting kind) { current->waiting = kind; switch_to(&current->context, &scheduler); }
inline void entry() { body(body_argument); wait(DONE); }
[[noreturn]] inline void fail(const char* message) {
  std::fprintf(stderr, "CUDA on the CPU: %s\n", message);
  std::abort();
}
}
#define threadIdx (simulated::current->place)
inline uint3 blockIdx;
inline dim3 blockDim, gridDim;
constexpr int warpSize = 32;
inline void __syncthreads() { simulated::wait(simulated::FOR_BLOCK); }
inline void __syncwarp(unsigned = ~0u) { simulated::wait(simulated::FOR_WARP); }
inline void __threadfence() {}
inline void __threadfence_block() {}

namespace simulated {
// The value of another lane; all living lanes of the warp take part.
template <class T> inline T exchange(T value, unsigned lane) {
  static_assert(sizeof(T) <= 8);
  std::memcpy(&current->slot, &value, sizeof(T));
  wait(FOR_WARP);
  unsigned other = (current->number & ~31u) | (lane & 31u);
  T result = value;
  if (other < fibers.size()) std::memcpy(&result, &fibers[other].slot, sizeof(T));
  wait(FOR_WARP);
  return result;
}
inline unsigned ballot(int predicate) {
  unsigned votes = 0, first = current->number & ~31u;
  current->slot = predicate != 0;
  wait(FOR_WARP);
  for (unsigned i = first; i < std::min<size_t>(first + 32, fibers.size()); i++)
    if (fibers[i].slot) votes |= 1u << (i - first);
  wait(FOR_WARP);
  return votes;
}
inline void run_block() {
  for (auto& fiber : fibers) {
    fiber.waiting = RUNNING;
    fiber.slot = 0;
    prepare(fiber.context, fiber.stack, entry);
  }
  for (;;) {
    bool moved = false;
    for (size_t i = 0; i < fibers.size(); i++) {
      auto& fiber = fibers[backwards ? fibers.size() - 1 - i : i];
      if (fiber.waiting == RUNNING) { current = &fiber; switch_to(&scheduler, &fiber.context); moved = true; }
    }
    unsigned for_block = 0, done = 0;
    for (size_t first = 0; first < fibers.size(); first += 32) {    // a warp goes on when all its lanes wait
      size_t end = std::min(first + 32, fibers.size()), n_warp = 0, n_done = 0;
      for (size_t i = first; i < end; i++) {
        n_warp += fibers[i].waiting == FOR_WARP;
        n_done += fibers[i].waiting == DONE;
        for_block += fibers[i].waiting == FOR_BLOCK;
      }
      done += n_done;
      if (n_warp && n_warp + n_done == end - first) {
        for (size_t i = first; i < end; i++) if (fibers[i].waiting == FOR_WARP) fibers[i].waiting = RUNNING;
        moved = true;
      }
    }
    if (done == fibers.size()) return;
    if (for_block == fibers.size()) { for (auto& fiber : fibers) fiber.waiting = RUNNING; continue; }
    if (for_block && for_block + done == fibers.size())
      fail("a thread ended before a __syncthreads that others reached");
    if (!moved) fail("threads of one block or warp wait at different barriers");
  }
}
template <class... A>
void launch(void (*kernel)(A...), dim3 grid, dim3 block, size_t n_shared, void** arguments) {
  auto call = [&]<size_t... I>(std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_reference_t<A>*>(arguments[I])...);
  };
  auto run = [&] { call(std::index_sequence_for<A...>{}); };
  body = [](void* it) { (*static_cast<decltype(run)*>(it))(); };
  body_argument = &run;
  unsigned n = block.x * block.y * block.z;
  fibers.resize(n);
  for (unsigned i = 0; i < n; i++) {
    auto& fiber = fibers[i];
    if (fiber.stack.empty()) fiber.stack.resize(64 << 10);
    fiber.number = i; fiber.place = {i % block.x, i / block.x % block.y, i / block.x / block.y};
  }
  blockDim = block; gridDim = grid;
  fence_shared(n_shared);
  size_t n_blocks = size_t(grid.x) * grid.y * grid.z;
  for (size_t i = 0; i < n_blocks; i++) {
    size_t place = backwards ? n_blocks - 1 - i : i;
    blockIdx.x = place % grid.x;
    blockIdx.y = place / grid.x % grid.y;
    blockIdx.z = place / grid.x / grid.y;
    std::memset(shared, 0xff, n_shared_bytes);          // NaN in float and double, −1 in integers
    if (__start_cuda_shared) std::memset(__start_cuda_shared, 0xff, __stop_cuda_shared - __start_cuda_shared);
    run_block();
  }
}
}
template <class T> T __shfl_sync(unsigned, T v, int lane, int = 32) { return simulated::exchange(v, lane); }
template <class T> T __shfl_down_sync(unsigned, T v, unsigned d, int = 32) {
  unsigned l = simulated::current->number & 31;
  return simulated::exchange(v, l + d < 32 ? l + d : l);
}
template <class T> T __shfl_up_sync(unsigned, T v, unsigned d, int = 32) {
  unsigned l = simulated::current->number & 31;
  return simulated::exchange(v, l >= d ? l - d : l);
}
template <class T> T __shfl_xor_sync(unsigned, T v, int mask, int = 32) {
  return simulated::exchange(v, (simulated::current->number & 31) ^ mask);
}
inline unsigned __ballot_sync(unsigned, int p) { return simulated::ballot(p); }
inline int __any_sync(unsigned, int p) { return simulated::ballot(p) != 0; }
inline int __syncthreads_or(int p) {
  static int any;
  __syncthreads();
  any = 0;
  __syncthreads();
  any |= p != 0;
  __syncthreads();
  return any;
}
inline int __popc(unsigned v) { return __builtin_popcount(v); }
template <class T> T atomicAdd(T* p, T v) { T old = *p; *p += v; return old; }
template <class T> T atomicMax(T* p, T v) { T old = *p; *p = std::max(old, v); return old; }
template <class T> T atomicMin(T* p, T v) { T old = *p; *p = std::min(old, v); return old; }
template <class T> T atomicOr(T* p, T v) { T old = *p; *p |= v; return old; }
template <class T> T atomicCAS(T* p, T expected, T v) { T old = *p; if (old == expected) *p = v; return old; }
template <class T> T __ldg(const T* p) { return *p; }
inline unsigned __umulhi(unsigned a, unsigned b) { return uint64_t(a) * b >> 32; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned __int128)a * b >> 64;
}
inline float rsqrt(float x) { return 1 / std::sqrt(x); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }
inline float sinpi(float x) { return std::sin(M_PI * x); }
inline double sinpi(double x) { return std::sin(M_PI * x); }
inline float cospi(float x) { return std::cos(M_PI * x); }
inline double cospi(double x) { return std::cos(M_PI * x); }
inline void sincospi(float x, float* s, float* c) { *s = sinpi(x); *c = cospi(x); }
inline void sincospi(double x, double* s, double* c) { *s = sinpi(x); *c = cospi(x); }
inline float normcdf(float x) { return 0.5 * std::erfc(-x * M_SQRT1_2); }
inline double normcdf(double x) { return 0.5 * std::erfc(-x * M_SQRT1_2); }
using std::min; using std::max; using std::abs; using std::floor; using std::fma; using std::sqrt;
using std::exp; using std::expm1; using std::log; using std::log1p; using std::pow;
using std::sin; using std::cos; using std::tanh; using std::erf; using std::erfc;
using std::isfinite; using std::isnan; using std::isinf;
