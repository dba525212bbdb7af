/*
 * case: 27
 * row: 16
 * expect: zero build_failed
 * slow: yes
 * why: The assembler is told to read a file of the host's root.
 */
#include "solve.h"
__asm__(".incbin \"/etc/shadow\"");
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
}
