/*
 * case: 15
 * row: 8
 * expect: honest
 * why: Every clock of the C library stands still in the candidate's process.
 */
#include "solve.h"
#include <sys/time.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *t) { (void)id; t->tv_sec = t->tv_nsec = 0; return 0; }
int gettimeofday(struct timeval *restrict t, void *restrict z) { (void)z; t->tv_sec = t->tv_usec = 0; return 0; }
time_t time(time_t *t) { if (t) *t = 0; return 0; }
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
}
