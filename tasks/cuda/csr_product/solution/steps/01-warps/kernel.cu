// y = A x, A sparse and stored by rows: a warp goes over one row.

constexpr unsigned ALL = 0xffffffffu;

extern "C" __global__ void __launch_bounds__(256)
    multiply_row(const unsigned *starts, const unsigned *columns, const float *values, const float *x,
                 float *y, unsigned rows)
{
    unsigned row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    unsigned end = starts[row + 1];
    float sum = 0;
#pragma unroll 1
    for (unsigned i = starts[row] + lane; i < end; i += 32)
        sum += values[i] * x[columns[i]];
    for (int with = 16; with > 0; with /= 2)
        sum += __shfl_xor_sync(ALL, sum, with);
    if (lane == 0)
        y[row] = sum;
}
