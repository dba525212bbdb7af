/*
 * row: 20
 * expect: zero crashed
 * why: 32-bit calls have numbers of their own, which no list of 64-bit ones covers: they are the end.
 */
#include "solve.h"
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
    long number = 26; /* ptrace for i386 */
    __asm__ volatile("int $0x80" : "+a"(number) : "b"(0), "c"(0), "d"(0) : "memory");
}
