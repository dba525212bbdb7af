// CUDA's device language for a host compiler: enough of it for the kernels of tasks/cuda.
//
// Every thread of a block is a fiber; one block runs at a time, on one thread of the host. So what a
// kernel computes is known, and nothing of its speed, nor of races between blocks. In which order
// the threads of a block get their turn can be chosen, which shows many a missing barrier.
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static __attribute__((section("autolab_shared")))
#define __grid_constant__
#define __CUDACC__ 1

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace autolab {

struct Group {  // threads that wait for one another
    uint64_t key = 0;
    int arrived = 0;
    unsigned generation = 0;
    void *of[1024];
};

struct Thread {
    dim3 index;
    unsigned number = 0;
    bool alive = false;
    jmp_buf context;
};

extern Thread *self;
extern dim3 block, grid, shape;  // blockIdx, gridDim, blockDim

using Combine = void (*)(void **of, int count);

// Wait until `count` threads (0: all that are alive) have come with `key`; the last one runs
// `combine` over what each brought, in the order of `place`.
void meet(uint64_t key, int count, int place, void *mine, Combine combine);
void pause();  // let the others run
[[noreturn]] void fail(const char *why);
unsigned char *dynamic_shared();
uint32_t shared_address(const void *at);
unsigned char *shared_pointer(uint32_t address);

inline unsigned lane() { return self->number % 32; }
inline uint64_t warp_key(unsigned mask)
{
    return uint64_t{1} << 48 | uint64_t{self->number / 32} << 32 | mask;
}

template <class T> void in_warp(unsigned mask, T &mine, Combine combine)
{
    if (!(mask >> lane() & 1))
        fail("a thread calls a function of its warp and is not in the mask");
    meet(warp_key(mask), __builtin_popcount(mask), (int)lane(), &mine, combine);
}

template <class T> struct Shuffle {
    T value, result;
    int from;
};

template <class T> T shuffle(unsigned mask, T value, int from)
{
    Shuffle<T> mine{value, value, from};
    in_warp(mask, mine, [](void **of, int) {
        for (int at = 0; at < 32; at++) {
            if (!of[at])
                continue;
            auto *to = (Shuffle<T> *)of[at];
            if (!of[to->from])
                fail("a shuffle reads a lane that takes no part");
            to->result = ((Shuffle<T> *)of[to->from])->value;
        }
    });
    return mine.result;
}

template <class T> struct Reduction {
    T value, result;
};

template <class T, class F> T reduce(unsigned mask, T value, F)
{
    Reduction<T> mine{value, value};
    in_warp(mask, mine, [](void **of, int) {
        T all{};
        bool first = true;
        for (int at = 0; at < 32; at++)
            if (of[at]) {
                all = first ? ((Reduction<T> *)of[at])->value
                            : F::of(all, ((Reduction<T> *)of[at])->value);
                first = false;
            }
        for (int at = 0; at < 32; at++)
            if (of[at])
                ((Reduction<T> *)of[at])->result = all;
    });
    return mine.result;
}

using Body = void (*)(void *function, void **arguments);
void launch(dim3 grid, dim3 block, size_t shared, void *function, Body body, void **arguments);

template <class... A, size_t... I>
void call(void (*function)(A...), void **arguments, std::index_sequence<I...>);

}  // namespace autolab

#include <utility>

namespace autolab {

template <class... A, size_t... I>
void call(void (*function)(A...), void **arguments, std::index_sequence<I...>)
{
    function(*(std::remove_cv_t<A> *)arguments[I]...);
}

template <class... A>
void run(void (*function)(A...), dim3 grid, dim3 block, size_t shared, void **arguments)
{
    launch(grid, block, shared, (void *)function,
           [](void *f, void **a) {
               call((void (*)(A...))f, a, std::index_sequence_for<A...>{});
           },
           arguments);
}

}  // namespace autolab

#define threadIdx (autolab::self->index)
#define blockIdx (autolab::block)
#define gridDim (autolab::grid)
#define blockDim (autolab::shape)
constexpr int warpSize = 32;

inline void __syncthreads() { autolab::meet(1, 0, (int)autolab::self->number, nullptr, nullptr); }
inline void __syncwarp(unsigned mask = ~0u)
{
    char mine = 0;
    autolab::in_warp(mask, mine, nullptr);
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __nanosleep(unsigned) { autolab::pause(); }

// Warps: a source beyond its own segment of `width` lanes leaves a value as it is.
template <class T> T __shfl_sync(unsigned mask, T v, int from, int width = 32)
{
    int lane = (int)autolab::lane();
    return autolab::shuffle(mask, v, (lane & ~(width - 1)) + (from & (width - 1)));
}
template <class T> T __shfl_xor_sync(unsigned mask, T v, int with, int width = 32)
{
    int lane = (int)autolab::lane(), from = lane ^ with;
    return autolab::shuffle(mask, v, from / width == lane / width ? from : lane);
}
template <class T> T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32)
{
    int lane = (int)autolab::lane(), from = lane - (int)by;
    return autolab::shuffle(mask, v, from >= (lane & ~(width - 1)) ? from : lane);
}
template <class T> T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32)
{
    int lane = (int)autolab::lane(), from = lane + (int)by;
    return autolab::shuffle(mask, v, from <= (lane | (width - 1)) ? from : lane);
}

struct AutolabOr { template <class T> static T of(T a, T b) { return a | b; } };
struct AutolabSum { template <class T> static T of(T a, T b) { return a + b; } };
struct AutolabMost { template <class T> static T of(T a, T b) { return a > b ? a : b; } };
struct AutolabLeast { template <class T> static T of(T a, T b) { return a < b ? a : b; } };

inline unsigned __ballot_sync(unsigned mask, int p)
{
    return autolab::reduce(mask, p ? 1u << autolab::lane() : 0u, AutolabOr{});
}
inline int __any_sync(unsigned mask, int p) { return __ballot_sync(mask, p) != 0; }
inline int __all_sync(unsigned mask, int p) { return __ballot_sync(mask, p) == mask; }
template <class T> T __reduce_add_sync(unsigned m, T v) { return autolab::reduce(m, v, AutolabSum{}); }
template <class T> T __reduce_max_sync(unsigned m, T v) { return autolab::reduce(m, v, AutolabMost{}); }
template <class T> T __reduce_min_sync(unsigned m, T v) { return autolab::reduce(m, v, AutolabLeast{}); }

inline int __syncthreads_or(int p)
{
    autolab::Reduction<int> mine{p, 0};
    autolab::meet(2, 0, (int)autolab::self->number, &mine, [](void **of, int count) {
        int all = 0;
        for (int at = 0; at < count; at++)
            if (of[at])
                all |= ((autolab::Reduction<int> *)of[at])->value != 0;
        for (int at = 0; at < count; at++)
            if (of[at])
                ((autolab::Reduction<int> *)of[at])->result = all;
    });
    return mine.result;
}

// Atomics: nothing else runs meanwhile.
template <class T, class U> T atomicAdd(T *at, U v) { T was = *at; *at = (T)(was + (T)v); return was; }
template <class T, class U> T atomicExch(T *at, U v) { T was = *at; *at = (T)v; return was; }
template <class T, class U> T atomicOr(T *at, U v) { T was = *at; *at = (T)(was | (T)v); return was; }
template <class T, class U> T atomicMax(T *at, U v) { T was = *at; if ((T)v > was) *at = (T)v; return was; }
template <class T, class U> T atomicMin(T *at, U v) { T was = *at; if ((T)v < was) *at = (T)v; return was; }
template <class T, class U, class V> T atomicCAS(T *at, U old, V v)
{
    T was = *at;
    if (was == (T)old)
        *at = (T)v;
    return was;
}

// Vectors are aligned as on a device, and so are loads of them (the build has alignment checked).
#define AUTOLAB_VECTOR(T, N) \
    struct alignas(sizeof(T) * 2) N##2 { T x, y; }; \
    struct alignas(sizeof(T) * 4 > 16 ? 16 : sizeof(T) * 4) N##4 { T x, y, z, w; }; \
    inline N##2 make_##N##2(T x, T y) { return {x, y}; } \
    inline N##4 make_##N##4(T x, T y, T z, T w) { return {x, y, z, w}; }
AUTOLAB_VECTOR(float, float)
AUTOLAB_VECTOR(int, int)
AUTOLAB_VECTOR(unsigned, uint)
AUTOLAB_VECTOR(unsigned short, ushort)
AUTOLAB_VECTOR(unsigned char, uchar)
AUTOLAB_VECTOR(unsigned long long, ulonglong)
#undef AUTOLAB_VECTOR

template <class T> T __ldg(const T *at) { return *at; }
template <class T> T __ldcs(const T *at) { return *at; }
template <class T> T __ldcg(const T *at) { return *at; }
template <class T> T __ldca(const T *at) { return *at; }
template <class T> T __ldlu(const T *at) { return *at; }
template <class T> void __stcs(T *at, T v) { *at = v; }
template <class T> void __stcg(T *at, T v) { *at = v; }

inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline unsigned __brev(unsigned v)
{
    unsigned r = 0;
    for (int at = 0; at < 32; at++)
        r |= (v >> at & 1u) << (31 - at);
    return r;
}
template <class To, class From> To autolab_bits(From v)
{
    To to;
    static_assert(sizeof to == sizeof v, "");
    memcpy(&to, &v, sizeof to);
    return to;
}
inline float __int_as_float(int v) { return autolab_bits<float>(v); }
inline float __uint_as_float(unsigned v) { return autolab_bits<float>(v); }
inline int __float_as_int(float v) { return autolab_bits<int>(v); }
inline unsigned __float_as_uint(float v) { return autolab_bits<unsigned>(v); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __frcp_rn(float v) { return 1.0f / v; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float v) { return expf(v); }
template <class T> constexpr T min(T a, T b) { return b < a ? b : a; }
template <class T> constexpr T max(T a, T b) { return a < b ? b : a; }

inline size_t __cvta_generic_to_shared(const void *at) { return autolab::shared_address(at); }
template <class T> struct autolab_pointer { T *to; };

#include "instructions.h"
