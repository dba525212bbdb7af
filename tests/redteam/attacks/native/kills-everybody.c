/*
 * case: 23
 * row: 3
 * expect: zero crashed; honest
 * why: Everything that can be signalled is killed, the candidate's own process with it.
 */
#define _GNU_SOURCE
#include "solve.h"
#include <signal.h>
#include <unistd.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts); kill(-1, SIGKILL); kill(0, SIGKILL); kill(getpid(), SIGKILL);
}
