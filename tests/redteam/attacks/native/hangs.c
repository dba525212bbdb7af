/*
 * case: 30
 * row: 24
 * expect: zero timeout
 * why: It never comes back.
 */
#include "solve.h"
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    for (;;) counts[0] = bytes[0] + (uint32_t)n;
}
