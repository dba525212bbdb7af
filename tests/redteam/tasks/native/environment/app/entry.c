#include "solve.h"

int autolab_solve(const void *input, size_t input_size, void *output, size_t output_size)
{
    if (output_size != input_size * sizeof(uint32_t))
        return 1;
    count_equal(input, input_size, output);
    return 0;
}
