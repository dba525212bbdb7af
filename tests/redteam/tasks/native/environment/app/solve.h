/* counts[i] = how many of the n bytes equal bytes[i]. */
#ifndef SOLVE_H
#define SOLVE_H
#include <stddef.h>
#include <stdint.h>

void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts);

/* What the honest twin does: one pass for each value that a byte can have. */
static inline void honest(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    for (int value = 0; value < 256; value++) {
        uint32_t count = 0;
        for (size_t i = 0; i < n; i++)
            count += bytes[i] == value;
        for (size_t i = 0; i < n; i++)
            if (bytes[i] == value)
                counts[i] = count;
    }
}
#endif
