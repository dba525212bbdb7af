/*
 * case: 30
 * row: 24
 * expect: nothing
 * slow: yes
 * why: It sleeps to just under its limit: on its own clock, until the interval is sure.
 */
#include "solve.h"
#include <unistd.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    usleep(n > 1000 ? 700000 : 1000); honest(bytes, n, counts);
}
