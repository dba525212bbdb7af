// Inclusive prefix sums: every thread sums a chunk of its own, the chunks' sums are summed, and then
// every thread goes over its chunk once more.

constexpr unsigned CHUNK = 128;  // words a thread

__device__ __forceinline__ unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

extern "C" __global__ void sum_chunks(const unsigned *words, unsigned *sums, unsigned n)
{
    unsigned chunk = blockIdx.x * blockDim.x + threadIdx.x;
    if (chunk >= (n + CHUNK - 1) / CHUNK)
        return;
    unsigned first = chunk * CHUNK, end = least(n, first + CHUNK), sum = 0;
    for (unsigned i = first; i < end; i++)
        sum += words[i];
    sums[chunk] = sum;
}

// One block of 1024 threads: what lies before each chunk, in place.
extern "C" __global__ void __launch_bounds__(1024) scan_sums(unsigned *sums, unsigned count)
{
    __shared__ unsigned totals[2][1024];
    unsigned t = threadIdx.x, share = (count + 1023) / 1024;
    unsigned first = least(count, t * share), end = least(count, first + share), sum = 0;
    for (unsigned i = first; i < end; i++)
        sum += sums[i];
    totals[0][t] = sum;
    __syncthreads();
    unsigned from = 0;
    for (unsigned distance = 1; distance < 1024; distance *= 2) {
        unsigned value = totals[from][t];
        if (t >= distance)
            value += totals[from][t - distance];
        totals[1 - from][t] = value;
        from = 1 - from;
        __syncthreads();
    }
    unsigned before = totals[from][t] - sum;
    for (unsigned i = first; i < end; i++) {
        unsigned value = sums[i];
        sums[i] = before;
        before += value;
    }
}

extern "C" __global__ void scan_chunks(const unsigned *words, const unsigned *before, unsigned *out,
                                       unsigned n)
{
    unsigned chunk = blockIdx.x * blockDim.x + threadIdx.x;
    if (chunk >= (n + CHUNK - 1) / CHUNK)
        return;
    unsigned first = chunk * CHUNK, end = least(n, first + CHUNK), sum = before[chunk];
    for (unsigned i = first; i < end; i++) {
        sum += words[i];
        out[i] = sum;
    }
}
