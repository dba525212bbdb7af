/*
 * case: 29
 * row: 24
 * expect: honest
 * why: Descriptors are used up.
 */
#include "solve.h"
#include <fcntl.h>
#include <sys/resource.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    struct rlimit all = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_NOFILE, &all);
    while (open("/dev/null", O_RDONLY) >= 0) {
    }
    honest(bytes, n, counts);
}
