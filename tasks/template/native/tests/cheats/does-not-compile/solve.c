#include "inversions.h"

uint64_t count_inversions(const uint32_t *values, uint32_t count)
{
    return nothing;
}
