/*
 * row: 20
 * expect: honest
 * why: x32 numbers are a second way to every call of the list.
 */
#define _GNU_SOURCE
#include "solve.h"
#include <stdlib.h>
#include <unistd.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    if (syscall(0x40000000 + 521, 0, 0, 0, 0) >= 0 || syscall(0x40000000 + 41, 2, 1, 0) >= 0)
        abort();
    honest(bytes, n, counts);
}
