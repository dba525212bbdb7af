/* Counting bits. */
#include "pipeline.h"

uint32_t bits_differing(uint64_t a, uint64_t b)
{
    return (uint32_t)__builtin_popcountll(a ^ b);
}
