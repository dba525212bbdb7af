/* From the verifier's byte blobs to count_inversions(). Pinned: the verifier takes its own copy. */
#include "inversions.h"

#include <stddef.h>
#include <string.h>

/* Input: little-endian uint32 numbers. Output: one uint64. */
int autolab_solve(const void *input, size_t input_size, void *output, size_t output_size)
{
    uint64_t inversions;
    if (input_size % sizeof(uint32_t) != 0 || output_size != sizeof inversions)
        return 1;
    inversions = count_inversions(input, (uint32_t)(input_size / sizeof(uint32_t)));
    memcpy(output, &inversions, sizeof inversions);
    return 0;
}
