/*
 * case: 27
 * row: 24
 * slow: yes
 * expect: zero build_failed out_of_memory
 * why: The preprocessor reads an endless device.
 */
#include "solve.h"
#include "/dev/zero"
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
}
