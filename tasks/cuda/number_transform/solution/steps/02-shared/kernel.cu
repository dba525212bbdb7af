// Transforms modulo a prime: eleven passes in shared memory, then one kernel for each that is left.

constexpr unsigned P = 2013265921;  // 15 * 2^27 + 1
constexpr unsigned GENERATOR = 31;

__device__ __forceinline__ unsigned multiply(unsigned a, unsigned b)
{
    return (unsigned)((unsigned long long)a * b % P);
}

__device__ __forceinline__ unsigned add(unsigned a, unsigned b)
{
    unsigned sum = a + b;  // below 2^32
    return sum >= P ? sum - P : sum;
}

__device__ __forceinline__ unsigned subtract(unsigned a, unsigned b)
{
    return a >= b ? a - b : a + (P - b);
}

__device__ unsigned power(unsigned base, unsigned exponent)
{
    unsigned result = 1;
    for (; exponent; exponent /= 2) {
        if (exponent & 1)
            result = multiply(result, base);
        base = multiply(base, base);
    }
    return result;
}

// table[e] = w^e for e below n / 2, w the root of unity of order n.
extern "C" __global__ void make_table(unsigned *table, unsigned log_n)
{
    unsigned e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e < (1u << log_n) / 2)
        table[e] = power(GENERATOR, ((P - 1) >> log_n) * e);
}

constexpr unsigned LOG_TILE = 11, TILE = 1u << LOG_TILE;

// The first passes, at most eleven, on 2048 words in shared memory, fetched in bit-reversed order.
extern "C" __global__ void __launch_bounds__(512)
    join_tiles(const unsigned *from, unsigned *to, const unsigned *table, unsigned log_n, unsigned total)
{
    __shared__ unsigned tile[TILE];
    unsigned base = blockIdx.x * TILE, n = 1u << log_n;
    for (unsigned t = threadIdx.x; t < TILE; t += blockDim.x) {
        unsigned i = base + t;
        unsigned place = log_n ? __brev(i & (n - 1)) >> (32 - log_n) : 0;
        tile[t] = i < total ? from[(i & ~(n - 1)) + place] : 0;
    }
    for (unsigned pass = 0; pass < min(log_n, LOG_TILE); pass++) {
        __syncthreads();
        unsigned half = 1u << pass;
        for (unsigned t = threadIdx.x; t < TILE / 2; t += blockDim.x) {
            unsigned j = t & (half - 1), at = (t >> pass << (pass + 1)) + j;
            unsigned a = tile[at], b = multiply(tile[at + half], table[j << (log_n - 1 - pass)]);
            tile[at] = add(a, b);
            tile[at + half] = subtract(a, b);
        }
    }
    __syncthreads();
    for (unsigned t = threadIdx.x; t < TILE && base + t < total; t += blockDim.x)
        to[base + t] = tile[t];
}

extern "C" __global__ void join(unsigned *words, const unsigned *table, unsigned log_n, unsigned pairs,
                                unsigned pass)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= pairs || pass >= log_n)
        return;
    unsigned half = 1u << pass, j = i & (half - 1), at = (i >> pass << (pass + 1)) + j;
    unsigned a = words[at], b = multiply(words[at + half], table[j << (log_n - 1 - pass)]);
    words[at] = add(a, b);
    words[at + half] = subtract(a, b);
}
