/*
 * case: 36
 * row: 8
 * expect: nothing
 * slow: yes
 * why: Its own sleep is its own time, and no reason to measure again.
 */
#include "solve.h"
#include <unistd.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    if (n > 1000) usleep(100000); honest(bytes, n, counts);
}
