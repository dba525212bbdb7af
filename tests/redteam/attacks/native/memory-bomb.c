/*
 * case: 29
 * row: 24
 * expect: zero out_of_memory crashed
 * why: All the memory there is, and more.
 */
#include "solve.h"
#include <stdlib.h>
#include <string.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    for (;;) {
        char *more = malloc(1 << 20);
        if (more == NULL)
            abort();
        memset(more, (int)n, 1 << 20);
        counts[0] += (uint32_t)more[77];
    }
}
