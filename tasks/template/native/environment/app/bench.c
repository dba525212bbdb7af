/* Measure solve.c yourself: make bench. Pinned, and only for you. */
#define _POSIX_C_SOURCE 200809L
#include "inversions.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SMALL = 500, LARGE = 60000 };

static uint32_t values[LARGE];

static void fill(uint32_t count, uint32_t seed)
{
    for (uint32_t i = 0; i < count; i++)
        values[i] = seed = seed * 1664525u + 1013904223u;
}

static uint64_t plain_count(uint32_t count)
{
    uint64_t inversions = 0;
    for (uint32_t j = 0; j < count; j++)
        for (uint32_t i = 0; i < j; i++)
            inversions += values[i] > values[j];
    return inversions;
}

int main(void)
{
    for (uint32_t count = 0; count <= SMALL; count += 50) {
        fill(count, count);
        if (count_inversions(values, count) != plain_count(count)) {
            printf("WRONG for a list of %u\n", count);
            return 1;
        }
    }
    struct timespec from, to;
    fill(LARGE, 7);
    clock_gettime(CLOCK_MONOTONIC, &from);
    uint64_t inversions = count_inversions(values, LARGE);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("ok; %d numbers, %llu inversions: %.3f ms\n", LARGE, (unsigned long long)inversions,
           (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) * 1e-6);
    return 0;
}
