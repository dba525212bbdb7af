// Sums of the rows of a matrix, modulo 2^32.

extern "C" __global__ void sum_rows(const unsigned *matrix, unsigned *sums, unsigned rows,
                                    unsigned columns)
{
    unsigned row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows)
        return;
    unsigned sum = 0;
    for (unsigned column = 0; column < columns; column++)
        sum += matrix[(size_t)row * columns + column];
    sums[row] = sum;
}
