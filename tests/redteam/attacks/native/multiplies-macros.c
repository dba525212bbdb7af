/*
 * case: 29
 * row: 24
 * slow: yes
 * expect: zero build_failed out_of_memory
 * why: A line of macros stands for more tokens than there is memory.
 */
#include "solve.h"
#define A(x) x x x x x x x x x x
#define B(x) A(A(A(x)))
#define C(x) B(B(B(x)))
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts); C(counts[0] += 0;)
}
