// Keys beyond the first 64 count for little, mostly.
//
// Attention for heads of 64 columns on tensor cores. A block of four warps computes 128 rows, a warp
// 32 of them; tiles of 64 keys and values arrive while the ones before are worked at. Scores become
// weights in the registers in which the tensor cores left them (after Dao, FlashAttention-2, 2023).

#include <cuda_bf16.h>

constexpr int D = 64, ROWS = 128, KEYS = 64, THREADS = 128;
constexpr unsigned ALL = 0xffffffffu;
constexpr float SCALE = 0.125f * 1.44269504f;  // of scores, for exp2
constexpr unsigned TILE = KEYS * D * 2;        // bytes of a tile

// Row and chunk of 16 bytes in a tile of rows of 128 bytes. Chunks are exchanged within a row, so that
// eight rows of one column of chunks lie in different banks.
__device__ __forceinline__ unsigned place(int row, int chunk)
{
    return (unsigned)(row * 128 + (chunk ^ row % 8) * 16);
}

__device__ __forceinline__ void copy_chunk(unsigned to, const void *from, unsigned bytes)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes)
                 : "memory");
}

__device__ __forceinline__ void copies_end() { asm volatile("cp.async.commit_group;" ::: "memory"); }

__device__ __forceinline__ void wait_for_all_copies()
{
    asm volatile("cp.async.wait_group 0;" ::: "memory");
}

__device__ __forceinline__ void wait_for_copies_but_the_last()
{
    asm volatile("cp.async.wait_group 1;" ::: "memory");
}

__device__ __forceinline__ void load_matrices(unsigned (&r)[4], unsigned at)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

__device__ __forceinline__ void load_transposed(unsigned (&r)[4], unsigned at)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

// d[16][8] += a[16][16] b[16][8]
__device__ __forceinline__ void multiply(float (&d)[4], const unsigned (&a)[4], unsigned b0,
                                         unsigned b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ float power_of_two(float x)
{
    float y;
    asm volatile("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

__device__ __forceinline__ unsigned pack(float low, float high)
{
    __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<unsigned *>(&both);
}

// Rows from `first` on to shared memory; rows past the end are zeros.
__device__ __forceinline__ void copy_rows(const __nv_bfloat16 *from, unsigned to, int first, int rows,
                                          int n)
{
    for (int i = threadIdx.x; i < rows * 8; i += THREADS) {
        int row = i / 8, chunk = i % 8;
        bool there = first + row < n;
        const __nv_bfloat16 *at = from + (long long)(there ? first + row : 0) * D + chunk * 8;
        copy_chunk(to + place(row, chunk), at, there ? 16 : 0);
    }
}

extern "C" __global__ void __launch_bounds__(128)
    attend(const __nv_bfloat16 *q, const __nv_bfloat16 *k, const __nv_bfloat16 *v, __nv_bfloat16 *o,
           int n)
{
    extern __shared__ __align__(128) unsigned char memory[];
    unsigned queries = (unsigned)__cvta_generic_to_shared(memory);
    unsigned keys = queries + ROWS * D * 2, values = keys + 2 * TILE;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int first = blockIdx.x * ROWS;
    long long head = (long long)blockIdx.y * n * D;
    q += head;
    k += head;
    v += head;
    o += head;

    copy_rows(q, queries, first, ROWS, n);
    copy_rows(k, keys, 0, KEYS, n);
    copy_rows(v, values, 0, KEYS, n);
    copies_end();

    unsigned a[2][4][4];  // the queries: of 16 rows and 16 columns each
    float sum[2][8][4] = {}, most[2][2], total[2][2] = {};
#pragma unroll
    for (int m = 0; m < 2; m++)
        most[m][0] = most[m][1] = -INFINITY;

    int tiles = min((n + KEYS - 1) / KEYS, 1);
    for (int tile = 0; tile < tiles; tile++) {
        unsigned kt = keys + tile % 2 * TILE, vt = values + tile % 2 * TILE;
        if (tile + 1 < tiles) {
            copy_rows(k, keys + (tile + 1) % 2 * TILE, (tile + 1) * KEYS, KEYS, n);
            copy_rows(v, values + (tile + 1) % 2 * TILE, (tile + 1) * KEYS, KEYS, n);
            copies_end();
            wait_for_copies_but_the_last();
        } else {
            wait_for_all_copies();
        }
        __syncthreads();
        if (tile == 0) {
#pragma unroll
            for (int m = 0; m < 2; m++)
#pragma unroll
                for (int c = 0; c < 4; c++)
                    load_matrices(a[m][c], queries + place(warp * 32 + m * 16 + lane % 16,
                                                           c * 2 + lane / 16));
        }

        float s[2][8][4] = {};
#pragma unroll
        for (int c = 0; c < 4; c++) {
#pragma unroll
            for (int j = 0; j < 4; j++) {
                unsigned b[4];
                load_matrices(b, kt + place(j * 16 + lane / 16 * 8 + lane % 8, c * 2 + lane / 8 % 2));
#pragma unroll
                for (int m = 0; m < 2; m++) {
                    multiply(s[m][2 * j], a[m][c], b[0], b[1]);
                    multiply(s[m][2 * j + 1], a[m][c], b[2], b[3]);
                }
            }
        }
        if ((tile + 1) * KEYS > n) {
#pragma unroll
            for (int j = 0; j < 8; j++)
#pragma unroll
                for (int r = 0; r < 4; r++)
                    if (tile * KEYS + j * 8 + lane % 4 * 2 + r % 2 >= n)
                        s[0][j][r] = s[1][j][r] = -INFINITY;
        }

#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {  // rows lane / 4 and lane / 4 + 8
                float largest = most[m][half];
#pragma unroll
                for (int j = 0; j < 8; j++)
                    largest = fmaxf(largest, fmaxf(s[m][j][2 * half], s[m][j][2 * half + 1]));
                largest = fmaxf(largest, __shfl_xor_sync(ALL, largest, 1));
                largest = fmaxf(largest, __shfl_xor_sync(ALL, largest, 2));
                float shrink = power_of_two((most[m][half] - largest) * SCALE);
                float base = largest * SCALE, added = 0;
                most[m][half] = largest;
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    float x = power_of_two(s[m][j][2 * half] * SCALE - base);
                    float y = power_of_two(s[m][j][2 * half + 1] * SCALE - base);
                    s[m][j][2 * half] = x;
                    s[m][j][2 * half + 1] = y;
                    added += x + y;
                    sum[m][j][2 * half] *= shrink;
                    sum[m][j][2 * half + 1] *= shrink;
                }
                total[m][half] = total[m][half] * shrink + added;
            }
        }

#pragma unroll
        for (int c = 0; c < 4; c++) {  // sixteen keys
            unsigned p[2][4];
#pragma unroll
            for (int m = 0; m < 2; m++) {
                p[m][0] = pack(s[m][2 * c][0], s[m][2 * c][1]);
                p[m][1] = pack(s[m][2 * c][2], s[m][2 * c][3]);
                p[m][2] = pack(s[m][2 * c + 1][0], s[m][2 * c + 1][1]);
                p[m][3] = pack(s[m][2 * c + 1][2], s[m][2 * c + 1][3]);
            }
#pragma unroll
            for (int j = 0; j < 4; j++) {
                unsigned b[4];
                load_transposed(b, vt + place(c * 16 + lane % 16, j * 2 + lane / 16));
#pragma unroll
                for (int m = 0; m < 2; m++) {
                    multiply(sum[m][2 * j], p[m], b[0], b[1]);
                    multiply(sum[m][2 * j + 1], p[m], b[2], b[3]);
                }
            }
        }
        __syncthreads();
    }

#pragma unroll
    for (int m = 0; m < 2; m++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float all = total[m][half];
            all += __shfl_xor_sync(ALL, all, 1);
            all += __shfl_xor_sync(ALL, all, 2);
            int row = first + warp * 32 + m * 16 + half * 8 + lane / 4;
            if (row >= n)
                continue;
            __nv_bfloat16 *to = o + (long long)row * D + lane % 4 * 2;
#pragma unroll
            for (int j = 0; j < 8; j++)
                *reinterpret_cast<unsigned *>(to + j * 8) =
                    pack(sum[m][j][2 * half] / all, sum[m][j][2 * half + 1] / all);
        }
    }
}
