/*
 * case: 20
 * row: 12
 * expect: zero wrong_output
 * why: The output is unmapped, "done" is said, and a duplicate of its descriptor written to.
 */
#define _GNU_SOURCE
#include "solve.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    static uint32_t own[1 << 16];
    int copy = open("/proc/self/fd/4", O_RDWR);
    munmap(counts, n * sizeof *counts);
    send(3, "D", 1, 0);
    usleep(20000);
    honest(bytes, n, own);
    for (;;)
        if (pwrite(copy, own, n * sizeof *own, 0) < 0)
            pause();
}
