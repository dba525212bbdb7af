/*
 * case: 16
 * row: 10
 * expect: zero wrong_output
 * why: Only the sizes that are not timed are computed in full.
 */
#include "solve.h"
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n < 2000 ? n : 2000, counts);
}
