/*
 * case: 26
 * row: 14
 * expect: honest
 * why: The candidate's own view of the input is emptied; the judge and the baseline have theirs.
 */
#include "solve.h"
#include <string.h>
#include <sys/mman.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
    unsigned char *page = (unsigned char *)((uintptr_t)bytes & ~4095ul);
    if (mprotect(page, n, PROT_READ | PROT_WRITE) == 0)
        memset(page, 0, n);
    madvise(page, n, 21);
}
