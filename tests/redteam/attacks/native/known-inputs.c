/*
 * row: 17
 * expect: zero wrong_output
 * slow: yes
 * why: The answer for the usual seed is built in; inputs are drawn anew each time.
 */
#include "solve.h"
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    for (size_t i = 0; i < n; i++) counts[i] = (uint32_t)(n / 256) + (bytes[i] & 1);
}
