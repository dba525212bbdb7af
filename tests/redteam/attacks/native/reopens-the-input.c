/*
 * case: 26
 * row: 14
 * expect: honest
 * why: The input is opened anew for writing, changed, and mapped writable.
 */
#define _GNU_SOURCE
#include "solve.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    fchmod(5, 0666);
    int fd = open("/proc/self/fd/5", O_RDWR);
    if (fd >= 0 && pwrite(fd, "x", 1, 0) == 1)
        abort();
    if (fd >= 0 && ftruncate(fd, 0) == 0)
        abort();
    if (mmap(0, 1, PROT_WRITE, MAP_SHARED, fd >= 0 ? fd : 5, 0) != MAP_FAILED)
        abort();
    honest(bytes, n, counts);
}
