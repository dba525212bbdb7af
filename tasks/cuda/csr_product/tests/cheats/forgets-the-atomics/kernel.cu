// Pieces of rows are stored like whole ones: the last one wins.
// y = A x, A sparse and stored by rows: a block takes 2048 entries, whatever rows they belong to.
// Their products go to shared memory; then threads sum up short pieces of rows, and warps long ones.
// A thread asks for all its entries before it waits for any.

constexpr unsigned THREADS = 256, EACH = 8, TILE = THREADS * EACH;  // entries a block
constexpr unsigned SHORT = 32;  // entries that one thread sums up alone
constexpr unsigned ALL = 0xffffffffu;

extern "C" __global__ void clear(float *y, unsigned rows)
{
    unsigned row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < rows)
        y[row] = 0;
}

// The last row that begins at or before entry i. Empty rows before it begin there too.
__device__ __forceinline__ unsigned row_of(const unsigned *starts, unsigned rows, unsigned i)
{
    unsigned low = 0, high = rows;
    while (high - low > 1) {
        unsigned middle = low + (high - low) / 2;
        if (starts[middle] <= i)
            low = middle;
        else
            high = middle;
    }
    return low;
}

// A row that lies in this tile alone is stored; pieces of others are added up.
__device__ __forceinline__ void deliver(float *y, unsigned row, float sum, bool whole)
{
    if (whole)
        y[row] = sum;
    else
        y[row] = sum;
}

extern "C" __global__ void __launch_bounds__(256)
    multiply(const unsigned *starts, const unsigned *columns, const float *values, const float *x,
             float *y, unsigned rows, unsigned entries)
{
    __shared__ __align__(16) float products[TILE];
    __shared__ unsigned long_rows[TILE / SHORT + 2], count, ends[2];
    unsigned base = blockIdx.x * TILE, end = min(entries, base + TILE), t = threadIdx.x;
    if (t == 0)
        count = 0;
    // Columns and values are read once and should not push x out of the caches.
    if (end - base == TILE) {
        unsigned c[EACH];
        float v[EACH];
        for (unsigned j = 0; j < EACH; j += 4) {
            unsigned i = base + (j / 4 * THREADS + t) * 4;
            uint4 four = __ldcs(reinterpret_cast<const uint4 *>(columns + i));
            float4 with = __ldcs(reinterpret_cast<const float4 *>(values + i));
            c[j] = four.x, c[j + 1] = four.y, c[j + 2] = four.z, c[j + 3] = four.w;
            v[j] = with.x, v[j + 1] = with.y, v[j + 2] = with.z, v[j + 3] = with.w;
        }
        if (t < 2)  // while the entries are on their way
            ends[t] = row_of(starts, rows, t == 0 ? base : end - 1);
        for (unsigned j = 0; j < EACH; j++)
            v[j] *= __ldg(x + c[j]);
        for (unsigned j = 0; j < EACH; j += 4)
            *reinterpret_cast<float4 *>(products + (j / 4 * THREADS + t) * 4) =
                make_float4(v[j], v[j + 1], v[j + 2], v[j + 3]);
    } else {
        if (t < 2)
            ends[t] = row_of(starts, rows, t == 0 ? base : end - 1);
        for (unsigned i = base + t; i < end; i += THREADS)
            products[i - base] = values[i] * x[columns[i]];
    }
    __syncthreads();
    unsigned first_row = ends[0], last_row = ends[1];
    for (unsigned row = first_row + t; row <= last_row; row += THREADS) {
        unsigned from = starts[row], to = starts[row + 1];
        bool whole = from >= base && to <= end;
        from = max(from, base);
        to = min(to, end);
        if (to - from > SHORT) {
            long_rows[atomicAdd(&count, 1u)] = row;
            continue;
        }
        float sum = 0;
        for (unsigned i = from; i < to; i++)
            sum += products[i - base];
        if (from < to)
            deliver(y, row, sum, whole);
    }
    __syncthreads();
    for (unsigned at = t / 32; at < count; at += THREADS / 32) {
        unsigned row = long_rows[at], from = starts[row], to = starts[row + 1];
        bool whole = from >= base && to <= end;
        from = max(from, base);
        to = min(to, end);
        float sum = 0;
        for (unsigned i = from + t % 32; i < to; i += 32)
            sum += products[i - base];
        for (int with = 16; with > 0; with /= 2)
            sum += __shfl_xor_sync(ALL, sum, with);
        if (t % 32 == 0)
            deliver(y, row, sum, whole);
    }
}
