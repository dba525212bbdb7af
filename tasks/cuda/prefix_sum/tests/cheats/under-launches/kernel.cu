// Inclusive prefix sums in one pass (decoupled look-back, after Merrill and Garland, 2016).
//
// A block scans its tile, publishes the tile's total, and looks back over the tiles before it: totals
// are added until one is found that knows the sum of all up to it. A warp scans 512 words in
// registers: four rows of 32 lanes with four words each.

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

// A tile's state is one 64-bit word, so that flag and value are seen together or not at all.
constexpr unsigned long long TOTAL = 1ull << 32, PREFIX = 2ull << 32;

extern "C" __global__ void clear(unsigned long long *state, unsigned *ticket, unsigned tiles)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < tiles)
        state[i] = 0;
    if (i == 0)
        *ticket = 0;
}

// The sum of all tiles before `tile`, by a whole warp: 32 tiles at a time, the nearest first.
__device__ __forceinline__ unsigned look_back(const volatile unsigned long long *state, unsigned tile)
{
    int at = (int)tile - 1 - (int)(threadIdx.x % 32);
    unsigned sum = 0;
    for (;; at -= 32) {
        unsigned long long seen = PREFIX;  // before the first tile there is nothing
        if (at >= 0)
            seen = state[at];
        while (__any_sync(ALL, seen < TOTAL)) {
            if (at >= 0)
                seen = state[at];
        }
        unsigned known = __ballot_sync(ALL, seen >= PREFIX);
        int last = known ? __ffs((int)known) - 1 : 31;
        sum += __reduce_add_sync(ALL, (int)(threadIdx.x % 32) <= last ? (unsigned)seen : 0u);
        if (known)
            return sum;
    }
}

extern "C" __global__ void __launch_bounds__(256)
    scan(const unsigned *words, unsigned *out, volatile unsigned long long *state, unsigned *ticket,
         unsigned n)
{
    __shared__ unsigned of_warp[WARPS];
    __shared__ unsigned tile_number, before_tile;
    // Tiles go to blocks as they begin, so that all tiles before this one are being worked at.
    if (threadIdx.x == 0)
        tile_number = atomicAdd(ticket, 1u);
    __syncthreads();
    unsigned tile = tile_number;
    unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, carried = 0;
    unsigned first = tile * TILE + warp * ROWS * ROW + lane * 4;
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
    unsigned total = 0, before = 0;
    for (unsigned w = 0; w < WARPS; w++) {
        if (w == warp)
            before = total;
        total += of_warp[w];
    }
    if (warp == 0) {
        if (lane == 0 && tile > 0)
            state[tile] = TOTAL | total;
        unsigned sum = look_back(state, tile);
        if (lane == 0) {
            state[tile] = PREFIX | (sum + total);
            before_tile = sum;
        }
    }
    __syncthreads();
    before += before_tile;
    for (unsigned row = 0; row < ROWS; row++) {
        four[row].x += before;
        four[row].y += before;
        four[row].z += before;
        four[row].w += before;
        store_four(out, first + row * ROW, n, four[row]);
    }
}
