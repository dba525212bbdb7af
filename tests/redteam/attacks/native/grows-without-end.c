/*
 * case: 29
 * row: 24
 * expect: zero build_failed out_of_memory
 * slow: yes
 * why: Ten gigabytes of program.
 */
#include "solve.h"
__asm__(".data\n.fill 10000000000, 1, 7\n.text");
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
}
