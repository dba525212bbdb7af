#include "solve.h"

void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t count = 0;
        for (size_t j = 0; j < n; j++)
            count += bytes[j] == bytes[i];
        counts[i] = count;
    }
}
