// Attention for heads of 64 columns on tensor cores. A block of four warps computes 128 rows; tiles of
// 64 keys and values arrive while the ones before are worked at. Scores become weights in the registers
// in which the tensor cores left them (after Dao, FlashAttention-2, 2023).
//
// On Hopper the four warps multiply as one, straight from shared memory (wgmma), and a tile is one bulk
// copy: keys, and values by columns, were arranged before as they will lie there.

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

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

// What a matrix in shared memory is to wgmma: rows of 128 bytes, chunks exchanged as `place` does,
// groups of eight rows 1024 bytes apart. Sixteen elements further along a row are 2 more.
__device__ __forceinline__ unsigned long long matrix(unsigned at)
{
    return (unsigned long long)(at >> 4 & 0x3fff) | 1ull << 16 | 64ull << 32 | 1ull << 62;
}

// d[64][64] += a[64][16] b[64][16]^T, a in the registers of four warps
__device__ __forceinline__ void multiply(float (&d)[8][4], const unsigned (&a)[4], unsigned long long b)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %37, 0; "
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
                 "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
                 "{%32, %33, %34, %35}, %36, p, 1, 1, 0; }"
                 : "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]),
                   "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]),
                   "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]),
                   "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]),
                   "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]),
                   "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]),
                   "+f"(d[7][2]), "+f"(d[7][3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(1));
}

__device__ __forceinline__ void products_begin()
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void products_end()
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
}

__device__ __forceinline__ void make_barrier(unsigned barrier)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(barrier) : "memory");
}

__device__ __forceinline__ void show_barriers_to_copies()
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void expect(unsigned barrier, unsigned bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
                 : "memory");
}

__device__ __forceinline__ void copy_bulk(unsigned to, const void *from, unsigned bytes,
                                          unsigned barrier)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1], %2, [%3];" ::"r"(to), "l"(from), "r"(bytes), "r"(barrier)
                 : "memory");
}

__device__ __forceinline__ bool has_arrived(unsigned barrier, unsigned parity)
{
    unsigned done;
    asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; "
                 "selp.u32 %0, 1, 0, p; }"
                 : "=r"(done)
                 : "r"(barrier), "r"(parity)
                 : "memory");
    return done != 0;
}

// Tile after tile, keys by rows and values by columns, each as it will lie in shared memory. Rows past
// the end are zeros.
extern "C" __global__ void __launch_bounds__(128)
    arrange(const __nv_bfloat16 *k, const __nv_bfloat16 *v, unsigned char *arranged, int n)
{
    __shared__ unsigned short values[KEYS][D + 2];
    int first = blockIdx.x * KEYS;
    long long head = (long long)blockIdx.y * n * D;
    unsigned char *to = arranged + ((long long)blockIdx.y * gridDim.x + blockIdx.x) * 2 * TILE;
    for (int i = threadIdx.x; i < KEYS * 8; i += THREADS) {
        int row = i / 8, chunk = i % 8;
        uint4 eight = make_uint4(0, 0, 0, 0);
        if (first + row < n)
            eight = *reinterpret_cast<const uint4 *>(k + head + (long long)(first + row) * D + chunk * 8);
        *reinterpret_cast<uint4 *>(to + place(row, chunk)) = eight;
    }
    for (int i = threadIdx.x; i < KEYS * D; i += THREADS) {
        int row = first + i / D;
        values[i / D][i % D] =
            row < n ? __bfloat16_as_ushort(v[head + (long long)row * D + i % D]) : (unsigned short)0;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < D * 8; i += THREADS) {
        int column = i / 8, chunk = i % 8;
        unsigned pairs[4];
        for (int j = 0; j < 4; j++)
            pairs[j] = values[chunk * 8 + 2 * j][column] |
                       (unsigned)values[chunk * 8 + 2 * j + 1][column] << 16;
        *reinterpret_cast<uint4 *>(to + TILE + place(column, chunk)) =
            make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
    }
}

extern "C" __global__ void __launch_bounds__(128)
    attend(const __nv_bfloat16 *q, const __nv_bfloat16 *k, const __nv_bfloat16 *v, __nv_bfloat16 *o,
           const unsigned char *arranged, int n)
{
    extern __shared__ __align__(128) unsigned char memory[];
    // The exchange of chunks goes by the address, so that tiles begin at multiples of 1024.
    unsigned tiles_at = ((unsigned)__cvta_generic_to_shared(memory) + 1023) / 1024 * 1024;
    unsigned barriers = tiles_at + 4 * TILE;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int first = blockIdx.x * ROWS;
    long long head = (long long)blockIdx.y * n * D;
    q += head;
    o += head;
    int tiles = (n + KEYS - 1) / KEYS;
    arranged += (long long)blockIdx.y * tiles * 2 * TILE;

    if (threadIdx.x == 0) {
        make_barrier(barriers);
        make_barrier(barriers + 8);
        show_barriers_to_copies();
        for (int tile = 0; tile < min(tiles, 2); tile++) {
            expect(barriers + 8 * tile, 2 * TILE);
            copy_bulk(tiles_at + tile * 2 * TILE, arranged + (long long)tile * 2 * TILE, 2 * TILE,
                      barriers + 8 * tile);
        }
    }
    __syncthreads();

    unsigned a[2][4][4];  // the queries: of 16 rows and 16 columns each
#pragma unroll
    for (int m = 0; m < 2; m++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int row = first + m * 64 + warp * 16 + half * 8 + lane / 4;
            const __nv_bfloat16 *at = q + (long long)min(row, n - 1) * D + lane % 4 * 2;
#pragma unroll
            for (int c = 0; c < 4; c++) {
                a[m][c][half] = *reinterpret_cast<const unsigned *>(at + c * 16);
                a[m][c][half + 2] = *reinterpret_cast<const unsigned *>(at + c * 16 + 8);
            }
        }
    }
    float sum[2][8][4] = {}, most[2][2], total[2][2] = {};
#pragma unroll
    for (int m = 0; m < 2; m++)
        most[m][0] = most[m][1] = -INFINITY;

    for (int tile = 0; tile < tiles; tile++) {
        unsigned kt = tiles_at + tile % 2 * 2 * TILE, vt = kt + TILE, barrier = barriers + tile % 2 * 8;
        while (!has_arrived(barrier, tile / 2 % 2)) {
        }

        float s[2][8][4] = {};
        products_begin();
#pragma unroll
        for (int c = 0; c < 4; c++)
#pragma unroll
            for (int m = 0; m < 2; m++)
                multiply(s[m], a[m][c], matrix(kt) + 2 * c);
        products_end();
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

        unsigned p[2][4][4];  // the weights: of sixteen keys each
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                p[m][c][0] = pack(s[m][2 * c][0], s[m][2 * c][1]);
                p[m][c][1] = pack(s[m][2 * c][2], s[m][2 * c][3]);
                p[m][c][2] = pack(s[m][2 * c + 1][0], s[m][2 * c + 1][1]);
                p[m][c][3] = pack(s[m][2 * c + 1][2], s[m][2 * c + 1][3]);
            }
        }
        products_begin();
#pragma unroll
        for (int c = 0; c < 4; c++)
#pragma unroll
            for (int m = 0; m < 2; m++)
                multiply(sum[m], p[m][c], matrix(vt) + 2 * c);
        products_end();
        __syncthreads();  // nobody needs this tile any more
        if (threadIdx.x == 0 && tile + 2 < tiles) {
            expect(barrier, 2 * TILE);
            copy_bulk(kt, arranged + (long long)(tile + 2) * 2 * TILE, 2 * TILE, barrier);
        }
    }

#pragma unroll
    for (int m = 0; m < 2; m++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float all = total[m][half];
            all += __shfl_xor_sync(ALL, all, 1);
            all += __shfl_xor_sync(ALL, all, 2);
            int row = first + m * 64 + warp * 16 + half * 8 + lane / 4;
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

#else  // before Hopper, as the stage before

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
    arrange(const __nv_bfloat16 *k, const __nv_bfloat16 *v, unsigned char *arranged, int n)
{
}

extern "C" __global__ void __launch_bounds__(128)
    attend(const __nv_bfloat16 *q, const __nv_bfloat16 *k, const __nv_bfloat16 *v, __nv_bfloat16 *o,
           const unsigned char *arranged, int n)
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

    int tiles = (n + KEYS - 1) / KEYS;
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

#endif
