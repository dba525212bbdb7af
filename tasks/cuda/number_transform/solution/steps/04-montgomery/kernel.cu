// Transforms modulo a prime in two kernels (the four-step algorithm, after Bailey, 1990): n words as a
// matrix, transforms down its columns, twiddle factors, transforms along its rows, transposed. Twiddle
// factors are kept times 2^32, so that a product modulo P needs no division.

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

// a * b / 2^32 modulo P (Montgomery, 1985): two products in place of a division.
__device__ __forceinline__ unsigned reduced(unsigned a, unsigned b)
{
    constexpr unsigned INVERSE = 0x88000001;  // P * INVERSE = 1 modulo 2^32
    static_assert(P * INVERSE == 1u, "it is the inverse");
    unsigned long long product = (unsigned long long)a * b;
    unsigned high = (unsigned)(product >> 32), back = __umulhi((unsigned)product * INVERSE, P);
    return high >= back ? high - back : high + (P - back);
}

// table[e] = 2^32 w^e for e below n / 2, w the root of unity of order n.
extern "C" __global__ void make_table(unsigned *table, unsigned log_n)
{
    unsigned e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e < (1u << log_n) / 2)
        table[e] = multiply((unsigned)((1ull << 32) % P), power(GENERATOR, ((P - 1) >> log_n) * e));
}

constexpr unsigned WIDTH = 8;  // transforms beside each other in a tile: 32 bytes a row

// WIDTH transforms of 2^log_rows words, word i of transform c at tile[i * WIDTH + c], rows in
// bit-reversed order.
__device__ __forceinline__ void transform(unsigned *tile, unsigned log_rows, const unsigned *table,
                                          unsigned log_n)
{
    for (unsigned pass = 0; pass < log_rows; pass++) {
        __syncthreads();
        unsigned half = 1u << pass, pairs = WIDTH << log_rows >> 1;
        for (unsigned t = threadIdx.x; t < pairs; t += blockDim.x) {
            unsigned c = t % WIDTH, i = t / WIDTH, j = i & (half - 1);
            unsigned at = ((i >> pass << (pass + 1)) + j) * WIDTH + c;
            unsigned a = tile[at];
            unsigned b = reduced(tile[at + half * WIDTH], table[j << (log_n - 1 - pass)]);
            tile[at] = add(a, b);
            tile[at + half * WIDTH] = subtract(a, b);
        }
    }
    __syncthreads();
}

__device__ __forceinline__ unsigned reversed(unsigned i, unsigned bits)
{
    return bits ? __brev(i) >> (32 - bits) : 0;
}

// n = rows * columns, word r * columns + c. Transforms down WIDTH columns, then the twiddle factors
// between the two steps.
extern "C" __global__ void __launch_bounds__(512)
    down(const unsigned *from, unsigned *to, const unsigned *table, unsigned log_n)
{
    extern __shared__ unsigned tile[];
    unsigned log_rows = log_n / 2, rows = 1u << log_rows, columns = 1u << (log_n - log_rows);
    unsigned first = blockIdx.x * WIDTH, n = 1u << log_n;
    from += (unsigned long long)blockIdx.y << log_n;
    to += (unsigned long long)blockIdx.y << log_n;
    for (unsigned t = threadIdx.x; t < rows * WIDTH; t += blockDim.x) {
        unsigned r = t / WIDTH, c = first + t % WIDTH;
        tile[reversed(r, log_rows) * WIDTH + t % WIDTH] = c < columns ? from[r * columns + c] : 0;
    }
    transform(tile, log_rows, table, log_n);
    for (unsigned t = threadIdx.x; t < rows * WIDTH; t += blockDim.x) {
        unsigned r = t / WIDTH, c = first + t % WIDTH;
        if (c >= columns)
            continue;
        unsigned e = r * c, value = tile[t];  // w^(n / 2) is -1
        if (e >= n / 2 && n > 1)
            value = subtract(0, reduced(value, table[e - n / 2]));
        else if (e > 0)
            value = reduced(value, table[e]);
        to[r * columns + c] = value;
    }
}

// Transforms along WIDTH rows; word k of row r of the result belongs to r + rows * k.
extern "C" __global__ void __launch_bounds__(512)
    along(const unsigned *from, unsigned *to, const unsigned *table, unsigned log_n)
{
    extern __shared__ unsigned tile[];
    unsigned log_rows = log_n / 2, rows = 1u << log_rows;
    unsigned log_columns = log_n - log_rows, columns = 1u << log_columns;
    unsigned first = blockIdx.x * WIDTH;
    from += (unsigned long long)blockIdx.y << log_n;
    to += (unsigned long long)blockIdx.y << log_n;
    for (unsigned t = threadIdx.x; t < columns * WIDTH; t += blockDim.x) {
        unsigned r = t % WIDTH, k = t / WIDTH;  // eight banks a word, not one: k is reversed
        tile[reversed(k, log_columns) * WIDTH + r] =
            first + r < rows ? from[(first + r) * columns + k] : 0;
    }
    transform(tile, log_columns, table, log_n);
    for (unsigned t = threadIdx.x; t < columns * WIDTH; t += blockDim.x) {
        unsigned r = t % WIDTH, k = t / WIDTH;
        if (first + r < rows)
            to[k * rows + first + r] = tile[t];
    }
}
