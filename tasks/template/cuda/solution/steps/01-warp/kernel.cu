// Sums of the rows of a matrix, modulo 2^32: a warp for each row.

extern "C" __global__ void sum_rows(const unsigned *matrix, unsigned *sums, unsigned rows,
                                    unsigned columns)
{
    unsigned row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    unsigned sum = 0;
    for (unsigned column = lane; column < columns; column += 32)
        sum += matrix[(size_t)row * columns + column];
    for (int far = 16; far > 0; far /= 2)
        sum += __shfl_down_sync(0xffffffff, sum, far);
    if (lane == 0)
        sums[row] = sum;
}
