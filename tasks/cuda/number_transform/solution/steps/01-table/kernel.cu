// Transforms modulo a prime: the twiddle factors are computed once and looked up.

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

// Word i of every transform goes to the place whose bits are those of i in reverse.
extern "C" __global__ void reverse_bits(const unsigned *from, unsigned *to, unsigned log_n,
                                        unsigned total)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= total)
        return;
    unsigned n = 1u << log_n, place = log_n ? __brev(i & (n - 1)) >> (32 - log_n) : 0;
    to[(i & ~(n - 1)) + place] = from[i];
}

// table[e] = w^e for e below n / 2, w the root of unity of order n.
extern "C" __global__ void make_table(unsigned *table, unsigned log_n)
{
    unsigned e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e < (1u << log_n) / 2)
        table[e] = power(GENERATOR, ((P - 1) >> log_n) * e);
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
