/* The function that solve.c implements. Pinned: the verifier takes its own copy. */
#ifndef INVERSIONS_H
#define INVERSIONS_H

#include <stdint.h>

/* How many pairs i < j of the list have values[i] > values[j]. The list must not be changed. */
uint64_t count_inversions(const uint32_t *values, uint32_t count);

#endif
