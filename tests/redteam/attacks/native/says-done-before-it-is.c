/*
 * case: 20
 * row: 12
 * expect: zero crashed
 * why: "Done" is said first, and the work is done while the host believes it.
 */
#include "solve.h"
#include <sys/socket.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    send(3, "D", 1, 0); honest(bytes, n, counts);
}
