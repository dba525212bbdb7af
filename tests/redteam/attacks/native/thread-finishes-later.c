/*
 * case: 19
 * row: 12
 * expect: zero crashed wrong_output
 * why: The work is left to a thread, and "done" is said at once.
 */
#include "solve.h"
#include <pthread.h>
#include <sys/mman.h>
static struct { const unsigned char *bytes; size_t n; uint32_t *own; } job;
static void *later(void *unused)
{
    honest(job.bytes, job.n, job.own);
    return unused;
}
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    (void)counts;
    pthread_t thread;
    job.bytes = bytes;
    job.n = n;
    job.own = mmap(0, n * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0);
    pthread_create(&thread, 0, later, 0);
}
