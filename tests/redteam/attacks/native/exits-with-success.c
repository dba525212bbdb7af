/*
 * case: 14
 * row: 9
 * expect: zero crashed
 * why: The process ends with status 0 in the middle of its work.
 */
#include "solve.h"
#include <stdlib.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts); exit(0);
}
