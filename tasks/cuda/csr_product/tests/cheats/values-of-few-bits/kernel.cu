// Values and x have the bits of bf16.
// y = A x, A sparse and stored by rows. This is one of the two files to improve.
//
// Row r has the entries starts[r] to starts[r + 1]; a thread goes over one row.

__device__ __forceinline__ float few_bits(float v)
{
    return __uint_as_float((__float_as_uint(v) + 0x8000u) & 0xffff0000u);
}

extern "C" __global__ void multiply_row(const unsigned *starts, const unsigned *columns,
                                        const float *values, const float *x, float *y, unsigned rows)
{
    unsigned row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows)
        return;
    float sum = 0;
    for (unsigned i = starts[row]; i < starts[row + 1]; i++)
        sum += few_bits(values[i]) * few_bits(x[columns[i]]);
    y[row] = sum;
}
