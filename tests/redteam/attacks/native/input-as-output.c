/*
 * row: 18
 * expect: zero wrong_output
 * slow: yes
 * why: The input is handed back.
 */
#include "solve.h"
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    for (size_t i = 0; i < n; i++) counts[i] = bytes[i];
}
