/*
 * row: 12
 * expect: honest
 * why: What is left to exit handlers is never done: the process is ended, not asked to end.
 */
#include "solve.h"
#include <stdlib.h>
#include <unistd.h>
static void later(void) { for (;;) pause(); }
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    atexit(later); honest(bytes, n, counts);
}
