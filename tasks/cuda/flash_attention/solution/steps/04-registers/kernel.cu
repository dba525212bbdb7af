// Attention for heads of 64 columns: a block of four warps computes 64 rows. A thread keeps four rows
// by eight keys (then by eight columns) in registers; the eight threads that share rows are neighbours
// in a warp and agree on the largest score and the sum by shuffles.

#include <cuda_bf16.h>

constexpr int D = 64, ROWS = 64, KEYS = 64, THREADS = 128;
constexpr int PITCH = 68;  // floats a row: a multiple of four for vector loads
constexpr unsigned ALL = 0xffffffffu;

__device__ __forceinline__ float2 two(unsigned pair)
{
    return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u));
}

// 64 rows by columns: tile[c][row]. Neighbouring threads store neighbouring rows.
__device__ __forceinline__ void load_columns(const __nv_bfloat16 *from, float *tile, int first, int n,
                                             float factor)
{
    for (int i = threadIdx.x; i < 64 * 8; i += THREADS) {
        int row = i % 64, c = i / 64 * 8;
        uint4 eight = make_uint4(0, 0, 0, 0);
        if (first + row < n)
            eight = *reinterpret_cast<const uint4 *>(from + (long long)(first + row) * D + c);
        float2 a = two(eight.x), b = two(eight.y), d = two(eight.z), e = two(eight.w);
        tile[c * PITCH + row] = a.x * factor;
        tile[(c + 1) * PITCH + row] = a.y * factor;
        tile[(c + 2) * PITCH + row] = b.x * factor;
        tile[(c + 3) * PITCH + row] = b.y * factor;
        tile[(c + 4) * PITCH + row] = d.x * factor;
        tile[(c + 5) * PITCH + row] = d.y * factor;
        tile[(c + 6) * PITCH + row] = e.x * factor;
        tile[(c + 7) * PITCH + row] = e.y * factor;
    }
}

__device__ __forceinline__ void load_rows(const __nv_bfloat16 *from, float *tile, int first, int n)
{
    for (int i = threadIdx.x; i < 64 * 8; i += THREADS) {
        int row = i / 8, c = i % 8 * 8;
        uint4 eight = make_uint4(0, 0, 0, 0);
        if (first + row < n)
            eight = *reinterpret_cast<const uint4 *>(from + (long long)(first + row) * D + c);
        float2 a = two(eight.x), b = two(eight.y), d = two(eight.z), e = two(eight.w);
        float4 *to = reinterpret_cast<float4 *>(tile + row * PITCH + c);
        to[0] = make_float4(a.x, a.y, b.x, b.y);
        to[1] = make_float4(d.x, d.y, e.x, e.y);
    }
}

// out[4][8] += left[step][4 rows] * right[step][8 columns], over 64 steps.
__device__ __forceinline__ void multiply(const float *left, const float *right, float (&out)[4][8])
{
#pragma unroll 4
    for (int step = 0; step < 64; step++) {
        float4 a = *reinterpret_cast<const float4 *>(left + step * PITCH);
        float4 b = *reinterpret_cast<const float4 *>(right + step * PITCH);
        float4 c = *reinterpret_cast<const float4 *>(right + step * PITCH + 32);
        float rows[4] = {a.x, a.y, a.z, a.w};
        float columns[8] = {b.x, b.y, b.z, b.w, c.x, c.y, c.z, c.w};
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < 8; j++)
                out[i][j] += rows[i] * columns[j];
    }
}

extern "C" __global__ void __launch_bounds__(128)
    attend(const __nv_bfloat16 *q, const __nv_bfloat16 *k, const __nv_bfloat16 *v, __nv_bfloat16 *o,
           int n)
{
    extern __shared__ __align__(16) float memory[];
    float *queries = memory, *keys = queries + D * PITCH, *values = keys + D * PITCH;
    float *weights = values + KEYS * PITCH;  // [key][row]
    int down = threadIdx.x / 8 * 4, across = threadIdx.x % 8 * 4;  // and across + 32
    int first = blockIdx.x * ROWS;
    long long head = (long long)blockIdx.y * n * D;
    load_columns(q + head, queries, first, n, 0.125f * 1.44269504f);  // for exp2

    float sum[4][8] = {}, most[4], total[4] = {};
    for (int i = 0; i < 4; i++)
        most[i] = -INFINITY;
    for (int base = 0; base < n; base += KEYS) {
        __syncthreads();
        load_columns(k + head, keys, base, n, 1.0f);
        load_rows(v + head, values, base, n);
        __syncthreads();
        float s[4][8] = {};
        multiply(queries + down, keys + across, s);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float largest = most[i];
#pragma unroll
            for (int j = 0; j < 8; j++) {
                if (base + across + j % 4 + j / 4 * 32 >= n)
                    s[i][j] = -INFINITY;
                largest = fmaxf(largest, s[i][j]);
            }
            for (int with = 1; with < 8; with *= 2)
                largest = fmaxf(largest, __shfl_xor_sync(ALL, largest, with));
            float shrink = exp2f(most[i] - largest);
            most[i] = largest;
            total[i] *= shrink;
#pragma unroll
            for (int j = 0; j < 8; j++) {
                sum[i][j] *= shrink;
                float weight = exp2f(s[i][j] - largest);
                total[i] += weight;
                weights[(across + j % 4 + j / 4 * 32) * PITCH + down + i] = weight;
            }
        }
        __syncwarp();  // a warp reads the weights of its own rows only
        multiply(weights + down, values + across, sum);
    }
    for (int i = 0; i < 4; i++) {
        for (int with = 1; with < 8; with *= 2)
            total[i] += __shfl_xor_sync(ALL, total[i], with);
        if (first + down + i >= n)
            continue;
        __nv_bfloat16 *to = o + head + (long long)(first + down + i) * D + across;
        for (int j = 0; j < 8; j++)
            to[j % 4 + j / 4 * 32] = __float2bfloat16(sum[i][j] / total[i]);
    }
}
