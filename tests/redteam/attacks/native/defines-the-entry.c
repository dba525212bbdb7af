/*
 * row: 3
 * expect: zero build_failed
 * why: The pinned entry is to be the candidate's.
 */
#include "solve.h"
int autolab_solve(const void *i, size_t n, void *o, size_t m) { (void)i; (void)n; (void)o; (void)m; return 0; }
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
}
