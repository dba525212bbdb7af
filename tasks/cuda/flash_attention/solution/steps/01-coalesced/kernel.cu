// Attention for heads of 64 columns: a block computes one row of the output. Keys are transposed
// before, so that whatever a warp loads lies side by side, and every thread takes part in every step.

#include <cuda_bf16.h>

constexpr int D = 64;
constexpr int THREADS = 128;

// k of each head by columns: kt[c * n + j] is column c of key j.
extern "C" __global__ void transpose(const __nv_bfloat16 *k, __nv_bfloat16 *kt, int n)
{
    __shared__ __nv_bfloat16 tile[32][D + 2];
    long long head = (long long)blockIdx.y * n * D;
    int first = blockIdx.x * 32;
    for (int i = threadIdx.x; i < 32 * D; i += THREADS) {
        int j = first + i / D;
        if (j < n)
            tile[i / D][i % D] = k[head + (long long)j * D + i % D];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < 32 * D; i += THREADS) {
        int j = first + i % 32;
        if (j < n)
            kt[head + (long long)(i / 32) * n + j] = tile[i % 32][i / 32];
    }
}

// The largest or the sum of what the block's threads bring.
template <bool SUM> __device__ __forceinline__ float over_block(float value, float *memory)
{
    memory[threadIdx.x] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            float a = memory[threadIdx.x], b = memory[threadIdx.x + half];
            memory[threadIdx.x] = SUM ? a + b : fmaxf(a, b);
        }
        __syncthreads();
    }
    value = memory[0];
    __syncthreads();
    return value;
}

extern "C" __global__ void __launch_bounds__(128)
    attend_row(const __nv_bfloat16 *q, const __nv_bfloat16 *kt, const __nv_bfloat16 *v,
               __nv_bfloat16 *o, int n)
{
    extern __shared__ float scores[];  // n of them
    __shared__ float query[D], memory[THREADS];
    int row = blockIdx.x, t = threadIdx.x;
    long long head = (long long)blockIdx.y * n * D;
    kt += head;
    v += head;
    if (t < D)
        query[t] = __bfloat162float(q[head + (long long)row * D + t]) * 0.125f;
    __syncthreads();

    float most = -INFINITY;
    for (int j = t; j < n; j += THREADS) {
        float sum = 0;
        for (int c = 0; c < D; c++)
            sum += query[c] * __bfloat162float(kt[(long long)c * n + j]);
        scores[j] = sum;
        most = fmaxf(most, sum);
    }
    most = over_block<false>(most, memory);
    float total = 0;
    for (int j = t; j < n; j += THREADS) {
        scores[j] = __expf(scores[j] - most);
        total += scores[j];
    }
    total = over_block<true>(total, memory);

    // Two groups of 64 threads take every second key each; a thread has one column.
    float sum = 0;
    for (int j = t / D; j < n; j += THREADS / D)
        sum += scores[j] * __bfloat162float(v[j * D + t % D]);
    memory[t] = sum;
    __syncthreads();
    if (t < D)
        o[head + (long long)row * D + t] = __float2bfloat16((memory[t] + memory[t + D]) / total);
}
