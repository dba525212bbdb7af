/*
 * row: 24
 * expect: zero crashed
 * why: A core as large as its memory would fill the host's disk; none is written.
 */
#include "solve.h"
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &all);
    memset(malloc(32 << 20), (int)n, 32 << 20);
    counts[0] = bytes[0];
    abort();
}
