/*
 * case: 15
 * row: 8
 * expect: honest
 * why: The machine's clock is moved, stepped and slewed; all of it is denied.
 */
#define _GNU_SOURCE
#include "solve.h"
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    struct timespec t = {0};
    struct timeval v = {0};
    struct timex x = {.modes = ADJ_FREQUENCY, .freq = -32768000};
    if (clock_settime(CLOCK_REALTIME, &t) == 0 || settimeofday(&v, 0) == 0 || adjtimex(&x) >= 0)
        return;
    honest(bytes, n, counts);
}
