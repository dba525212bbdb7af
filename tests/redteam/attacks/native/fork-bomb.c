/*
 * case: 29
 * row: 24
 * expect: honest; nothing
 * why: Every fork is denied, and the one process works alone.
 */
#include "solve.h"
#include <unistd.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    for (int i = 0; i < 1000; i++)
        if (fork() == 0)
            for (;;)
                fork();
    honest(bytes, n, counts);
}
