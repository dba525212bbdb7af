/*
 * case: 22
 * row: 12
 * expect: zero crashed
 * why: A child computes while its parent says that all is done.
 */
#include "solve.h"
#include <stdlib.h>
#include <unistd.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    pid_t child = fork();
    if (child < 0)
        abort();
    if (child == 0)
        honest(bytes, n, counts);
}
