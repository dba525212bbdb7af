/*
 * case: 20
 * row: 12
 * expect: zero crashed wrong_output
 * why: "Ready" and "done" both lie in the socket before the input comes.
 */
#include "solve.h"
#include <sys/socket.h>
__attribute__((constructor)) static void first(void) { send(3, "R", 1, 0); send(3, "D", 1, 0); }
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
}
