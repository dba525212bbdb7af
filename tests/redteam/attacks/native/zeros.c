/*
 * row: 18
 * expect: zero wrong_output
 * slow: yes
 * why: An output of zeros.
 */
#include "solve.h"
#include <string.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    (void)bytes; memset(counts, 0, n * sizeof *counts);
}
