/*
 * row: 5
 * expect: honest
 * slow: yes
 * why: Pragmas may choose how the candidate's own functions are compiled, and nothing else.
 */
#include "solve.h"
#pragma GCC optimize("O0")
#pragma GCC poison nothing
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
}
