// Attention for heads of 64 columns: a block computes 32 rows of the output, and has every tile of 64
// keys in shared memory once for all of them. The softmax is done on the way (after Milakov and
// Gimelshein, 2018): where a larger score comes, what was summed up before is scaled down.

#include <cuda_bf16.h>

constexpr int D = 64, ROWS = 32, KEYS = 64, THREADS = 256;
constexpr int EACH = 8;        // scores, and columns of the output, a thread
constexpr int PITCH = D + 1;   // floats a row in shared memory, so that rows begin in different banks

__device__ __forceinline__ void load_tile(const __nv_bfloat16 *from, float (*tile)[PITCH], int first,
                                          int rows, int n)
{
    for (int i = threadIdx.x; i < rows * D; i += THREADS) {
        int j = first + i / D;
        tile[i / D][i % D] = j < n ? __bfloat162float(from[(long long)j * D + i % D]) : 0.0f;
    }
}

// Scores of one row with keys part, part + 8, ... of a tile; keys past the end have none.
__device__ __forceinline__ void score(const float *query, float (*keys)[PITCH], int part, int left,
                                      float (&s)[EACH])
{
    for (int i = 0; i < EACH; i++)
        s[i] = 0;
    for (int c = 0; c < D; c++) {
        float a = query[c];
#pragma unroll
        for (int i = 0; i < EACH; i++)
            s[i] += a * keys[part + 8 * i][c];
    }
    for (int i = 0; i < EACH; i++)
        s[i] = part + 8 * i < left ? s[i] * 0.125f : -INFINITY;
}

extern "C" __global__ void __launch_bounds__(256)
    attend(const __nv_bfloat16 *q, const __nv_bfloat16 *k, const __nv_bfloat16 *v, __nv_bfloat16 *o,
           int n)
{
    __shared__ float queries[ROWS][PITCH], tile[KEYS][PITCH], weights[ROWS][KEYS + 1];
    __shared__ float partial[ROWS][8];
    int row = threadIdx.x / 8, part = threadIdx.x % 8, first = blockIdx.x * ROWS;
    long long head = (long long)blockIdx.y * n * D;
    load_tile(q + head, queries, first, ROWS, n);

    float s[EACH], most = -INFINITY;
    float sum[EACH] = {}, total = 0;
    for (int j = 0; j < n; j += KEYS) {
        __syncthreads();
        load_tile(k + head, tile, j, KEYS, n);
        __syncthreads();
        score(queries[row], tile, part, n - j, s);
        float largest = most;
        for (int i = 0; i < EACH; i++)
            largest = fmaxf(largest, s[i]);
        partial[row][part] = largest;
        __syncthreads();
        for (int i = 0; i < 8; i++)
            largest = fmaxf(largest, partial[row][i]);
        float shrink = __expf(most - largest);  // 0 at the first tile
        most = largest;
        total *= shrink;
        for (int i = 0; i < EACH; i++) {
            float weight = __expf(s[i] - most);
            weights[row][part + 8 * i] = weight;
            total += weight;
            sum[i] *= shrink;
        }
        load_tile(v + head, tile, j, KEYS, n);
        __syncthreads();
        for (int key = 0; key < KEYS; key++) {
            float weight = weights[row][key];
#pragma unroll
            for (int i = 0; i < EACH; i++)
                sum[i] += weight * tile[key][part + 8 * i];
        }
    }
    __syncthreads();
    partial[row][part] = total;
    __syncthreads();
    total = 0;
    for (int i = 0; i < 8; i++)
        total += partial[row][i];
    if (first + row < n)
        for (int i = 0; i < EACH; i++)
            o[head + (long long)(first + row) * D + part + 8 * i] = __float2bfloat16(sum[i] / total);
}
