// Inclusive prefix sums: sum each tile, scan the sums, then scan each tile from what lies before it.
// A warp scans 512 words in registers: four rows of 32 lanes with four words each.

constexpr unsigned THREADS = 256, WARPS = THREADS / 32, ROWS = 4, ROW = 128;
constexpr unsigned TILE = WARPS * ROWS * ROW;  // 4096 words a block
constexpr unsigned ALL = 0xffffffffu;

__device__ __forceinline__ uint4 load_four(const unsigned *words, unsigned i, unsigned n)
{
    if (i + 4 <= n)
        return *reinterpret_cast<const uint4 *>(words + i);
    uint4 four = make_uint4(0, 0, 0, 0);
    if (i < n)
        four.x = words[i];
    if (i + 1 < n)
        four.y = words[i + 1];
    if (i + 2 < n)
        four.z = words[i + 2];
    return four;
}

__device__ __forceinline__ void store_four(unsigned *words, unsigned i, unsigned n, uint4 four)
{
    if (i + 4 <= n) {
        *reinterpret_cast<uint4 *>(words + i) = four;
        return;
    }
    if (i < n)
        words[i] = four.x;
    if (i + 1 < n)
        words[i + 1] = four.y;
    if (i + 2 < n)
        words[i + 2] = four.z;
}

__device__ __forceinline__ unsigned scan_warp(unsigned value)
{
    unsigned lane = threadIdx.x % 32;
    for (unsigned distance = 1; distance < 32; distance *= 2) {
        unsigned before = __shfl_up_sync(ALL, value, distance);
        if (lane >= distance)
            value += before;
    }
    return value;
}

extern "C" __global__ void __launch_bounds__(256)
    sum_tiles(const unsigned *words, unsigned *totals, unsigned n)
{
    __shared__ unsigned of_warp[WARPS];
    unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, sum = 0;
    unsigned first = blockIdx.x * TILE + warp * ROWS * ROW + lane * 4;
    for (unsigned row = 0; row < ROWS; row++) {
        uint4 four = load_four(words, first + row * ROW, n);
        sum += four.x + four.y + four.z + four.w;
    }
    sum = __reduce_add_sync(ALL, sum);
    if (lane == 0)
        of_warp[warp] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        unsigned all = 0;
        for (unsigned w = 0; w < WARPS; w++)
            all += of_warp[w];
        totals[blockIdx.x] = all;
    }
}

// One block of 1024 threads: what lies before each tile, in place.
extern "C" __global__ void __launch_bounds__(1024) scan_totals(unsigned *totals, unsigned count)
{
    __shared__ unsigned of_warp[32];
    unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, before = 0;
    for (unsigned base = 0; base < count; base += 1024) {
        unsigned i = base + threadIdx.x;
        unsigned value = i < count ? totals[i] : 0;
        unsigned sum = scan_warp(value);
        if (lane == 31)
            of_warp[warp] = sum;
        __syncthreads();
        if (warp == 0)
            of_warp[lane] = scan_warp(of_warp[lane]);
        __syncthreads();
        if (i < count)
            totals[i] = before + sum - value + (warp ? of_warp[warp - 1] : 0);
        before += of_warp[31];
        __syncthreads();
    }
}

extern "C" __global__ void __launch_bounds__(256)
    scan_tiles(const unsigned *words, const unsigned *totals, unsigned *out, unsigned n)
{
    __shared__ unsigned of_warp[WARPS];
    unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, carried = 0;
    unsigned first = blockIdx.x * TILE + warp * ROWS * ROW + lane * 4;
    uint4 four[ROWS];
    for (unsigned row = 0; row < ROWS; row++)
        four[row] = load_four(words, first + row * ROW, n);
    for (unsigned row = 0; row < ROWS; row++) {
        four[row].y += four[row].x;
        four[row].z += four[row].y;
        four[row].w += four[row].z;
        unsigned sum = scan_warp(four[row].w);
        unsigned before = carried + sum - four[row].w;
        four[row].x += before;
        four[row].y += before;
        four[row].z += before;
        four[row].w += before;
        carried += __shfl_sync(ALL, sum, 31);
    }
    if (lane == 0)
        of_warp[warp] = carried;
    __syncthreads();
    unsigned before = totals[blockIdx.x];
    for (unsigned w = 0; w < warp; w++)
        before += of_warp[w];
    for (unsigned row = 0; row < ROWS; row++) {
        four[row].x += before;
        four[row].y += before;
        four[row].z += before;
        four[row].w += before;
        store_four(out, first + row * ROW, n, four[row]);
    }
}
