/*
 * case: 17
 * row: 11
 * expect: zero wrong_output
 * why: The second call at one address is answered with what the first one gave; there is none.
 */
#include "solve.h"
#include <string.h>
static const unsigned char *seen;
static uint32_t kept[1 << 16];
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    if (seen != bytes && n < 1000)
        honest(bytes, n, kept);
    seen = bytes;
    memcpy(counts, kept, n * sizeof *counts);
}
