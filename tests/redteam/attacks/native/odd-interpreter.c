/*
 * row: 7
 * expect: honest; zero build_failed crashed
 * why: The program asks for a loader that is not one.
 */
#include "solve.h"
__attribute__((section(".interp"), used)) static const char loader[] = "/app/candidate";
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
}
