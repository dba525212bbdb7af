/*
 * row: 13
 * expect: zero wrong_output
 * why: Fresh memory is searched for what the baseline left behind; the kernel has emptied it.
 */
#include "solve.h"
#include <string.h>
#include <sys/mman.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    uint32_t *old = mmap(0, 32 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)bytes;
    memcpy(counts, old, n * sizeof *counts);
}
