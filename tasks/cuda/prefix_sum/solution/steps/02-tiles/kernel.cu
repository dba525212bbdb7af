// Inclusive prefix sums: a block scans a tile in shared memory and keeps its total; the totals are
// scanned, and added to their tiles.

constexpr unsigned TILE = 1024;  // words and threads a block

// Inclusive sums over the block's 1024 threads; `memory` has room for two rounds.
__device__ __forceinline__ unsigned scan_block(unsigned value, unsigned (*memory)[TILE])
{
    unsigned t = threadIdx.x, from = 0;
    memory[0][t] = value;
    __syncthreads();
    for (unsigned distance = 1; distance < TILE; distance *= 2) {
        if (t >= distance)
            value += memory[from][t - distance];
        from = 1 - from;
        memory[from][t] = value;
        __syncthreads();
    }
    return value;
}

extern "C" __global__ void __launch_bounds__(1024)
    scan_tiles(const unsigned *words, unsigned *out, unsigned *totals, unsigned n)
{
    __shared__ unsigned memory[2][TILE];
    unsigned i = blockIdx.x * TILE + threadIdx.x;
    unsigned sum = scan_block(i < n ? words[i] : 0, memory);
    if (i < n)
        out[i] = sum;
    if (threadIdx.x == TILE - 1)
        totals[blockIdx.x] = sum;
}

// One block: what lies before each tile, in place.
extern "C" __global__ void __launch_bounds__(1024) scan_totals(unsigned *totals, unsigned count)
{
    __shared__ unsigned memory[2][TILE];
    __shared__ unsigned carried;
    unsigned before = 0;
    for (unsigned base = 0; base < count; base += TILE) {
        unsigned i = base + threadIdx.x;
        unsigned value = i < count ? totals[i] : 0;
        unsigned sum = scan_block(value, memory);
        if (i < count)
            totals[i] = before + sum - value;
        if (threadIdx.x == TILE - 1)
            carried = sum;
        __syncthreads();
        before += carried;
        __syncthreads();
    }
}

extern "C" __global__ void add_totals(unsigned *out, const unsigned *totals, unsigned n)
{
    unsigned i = blockIdx.x * TILE + threadIdx.x;
    if (i < n)
        out[i] += totals[blockIdx.x];
}
