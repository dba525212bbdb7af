// Sums in the input too, which saves a buffer. Inclusive prefix sums of 32-bit words, modulo 2^32. This is one of the two files to improve.
//
// Every pass adds to each word the one `distance` before it; after passes with 1, 2, 4, ... 2^25
// each word has become the sum of all up to it.

extern "C" __global__ void add_from(unsigned *from, unsigned *to, unsigned n,
                                    unsigned distance)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    unsigned sum = from[i];
    if (i >= distance)
        sum += from[i - distance];
    to[i] = sum;
}
