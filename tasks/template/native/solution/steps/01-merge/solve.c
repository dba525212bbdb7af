/* Sorts by merging: whenever a number of the right half goes first, it passes the rest of the left. */
#include "inversions.h"

#include <stdlib.h>
#include <string.h>

static uint64_t sort(uint32_t *values, uint32_t *space, uint32_t count)
{
    if (count < 2)
        return 0;
    uint32_t half = count / 2, left = 0, right = half, at = 0;
    uint64_t inversions = sort(values, space, half) + sort(values + half, space, count - half);
    while (left < half && right < count) {
        if (values[right] < values[left]) {
            inversions += half - left;
            space[at++] = values[right++];
        } else {
            space[at++] = values[left++];
        }
    }
    memcpy(space + at, values + left, sizeof(uint32_t) * (half - left));
    memcpy(values, space, sizeof(uint32_t) * (at + half - left));
    return inversions;
}

uint64_t count_inversions(const uint32_t *values, uint32_t count)
{
    uint32_t *copy = malloc(sizeof(uint32_t) * 2 * (count + (size_t)1));
    if (copy == NULL)
        abort();
    memcpy(copy, values, sizeof(uint32_t) * count);
    uint64_t inversions = sort(copy, copy + count, count);
    free(copy);
    return inversions;
}
