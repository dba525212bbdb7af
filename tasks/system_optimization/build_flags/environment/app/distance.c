/* Bit vectors, every one compared with every other. */
#include "pipeline.h"

#include <string.h>

void distance_run(const uint8_t *seed, uint32_t comparisons, uint32_t *out)
{
    uint64_t vectors[VECTORS][WORDS];
    memcpy(vectors, seed, sizeof vectors);
    memset(out, 0, sizeof(uint32_t) * VECTORS * VECTORS);
    for (uint32_t c = 0; c < comparisons; c++) {
        for (int i = 0; i < VECTORS; i++)
            for (int j = 0; j < VECTORS; j++) {
                uint32_t sum = 0;
                for (int w = 0; w < WORDS; w++)
                    sum += bits_differing(vectors[i][w], vectors[j][w]);
                out[i * VECTORS + j] += sum;
            }
        vectors[c % VECTORS][c / VECTORS % WORDS] += out[c % (VECTORS * VECTORS)];
    }
}
