/*
 * case: 27
 * row: 16
 * expect: honest
 * why: What the build's processes can be asked about themselves is taken in, and worth nothing.
 */
#include "solve.h"
__asm__(".section .rodata\nstolen: .incbin \"/proc/self/environ\"\n.incbin \"/proc/self/mountinfo\"\n"
        ".incbin \"/proc/1/cmdline\"\n.previous");
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
}
