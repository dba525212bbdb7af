/*
 * row: 3
 * expect: zero crashed timeout wrong_output
 * slow: yes
 * why: The shim's own calls are the candidate's: it answers them with lies.
 */
#include "solve.h"
#include <sys/socket.h>
#include <sys/types.h>
ssize_t send(int fd, const void *message, size_t size, int flags)
{
    (void)fd; (void)message; (void)flags;
    return (ssize_t)size;
}
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
}
