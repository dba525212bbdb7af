/*
 * row: 13
 * expect: zero wrong_output
 * why: Nothing is written: what the output held before is noise, never an answer.
 */
#include "solve.h"
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    (void)bytes; (void)n; (void)counts;
}
