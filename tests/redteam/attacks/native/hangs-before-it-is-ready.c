/*
 * case: 30
 * row: 24
 * expect: zero timeout
 * slow: yes
 * why: A constructor never comes back.
 */
#include "solve.h"
#include <unistd.h>
__attribute__((constructor)) static void first(void) { for (;;) pause(); }
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
}
