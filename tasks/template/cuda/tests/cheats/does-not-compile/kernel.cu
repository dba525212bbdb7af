extern "C" __global__ void sum_rows(const unsigned *matrix, unsigned *sums, unsigned rows,
                                    unsigned columns)
{
    sums[0] = faster(matrix);
}
