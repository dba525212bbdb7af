/*
 * case: 20
 * row: 12
 * expect: zero crashed
 * why: The candidate sets a seal that forbids the host's.
 */
#define _GNU_SOURCE
#include "solve.h"
#include <fcntl.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts); fcntl(4, F_ADD_SEALS, F_SEAL_SEAL);
}
