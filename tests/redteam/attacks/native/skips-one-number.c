/*
 * case: 16
 * row: 18
 * expect: zero wrong_output
 * why: A single count of thousands is left out: there is no tolerance to hide in.
 */
#include "solve.h"
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts); counts[n - 1] ^= n > 1000;
}
