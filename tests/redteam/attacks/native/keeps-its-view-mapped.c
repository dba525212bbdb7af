/*
 * row: 12
 * expect: zero crashed
 * why: munmap is interposed: "done" is said with the output still mapped.
 */
#include "solve.h"
int munmap(void *at, size_t size) { (void)at; (void)size; return 0; }
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
}
