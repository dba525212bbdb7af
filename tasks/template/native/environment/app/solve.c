/* Compares every pair. This is the file to improve. */
#include "inversions.h"

uint64_t count_inversions(const uint32_t *values, uint32_t count)
{
    uint64_t inversions = 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = i + 1; j < count; j++)
            if (values[i] > values[j])
                inversions++;
    return inversions;
}
