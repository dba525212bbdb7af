/*
 * case: 20
 * row: 12
 * expect: zero crashed
 * why: F_SEAL_FUTURE_WRITE spares mappings that are there; a kept one would go on writing.
 */
#define _GNU_SOURCE
#include "solve.h"
#include <fcntl.h>
#include <sys/mman.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
    mmap(0, n * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0);
    fcntl(4, F_ADD_SEALS, 0x10);
}
