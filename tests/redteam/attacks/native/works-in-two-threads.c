/*
 * case: 21
 * row: 23
 * expect: zero crashed
 * why: A task for one thread is given to two.
 */
#include "solve.h"
#include <pthread.h>
#include <stdlib.h>
static void *half(void *unused) { return unused; }
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    pthread_t thread;
    if (pthread_create(&thread, 0, half, 0) != 0)
        abort();
    honest(bytes, n, counts);
}
