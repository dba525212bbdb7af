/*
 * row: 3
 * expect: zero build_failed
 * why: The program is to have a main of the candidate's.
 */
#include "solve.h"
int main(void) { return 0; }
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    honest(bytes, n, counts);
}
