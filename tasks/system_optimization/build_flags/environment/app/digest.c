/* Four interleaved lanes over 32-byte blocks. */
#include "pipeline.h"

#include <string.h>

uint64_t digest_bytes(const uint8_t *data, size_t size)
{
    uint64_t lanes[4] = {1, 2, 3, 4}, words[4];
    for (size_t at = 0; at + sizeof words <= size; at += sizeof words) {
        memcpy(words, data + at, sizeof words);
        for (int i = 0; i < 4; i++)
            lanes[i] = mix_round(lanes[i], words[i]);
    }
    uint64_t sum = size;
    for (int i = 0; i < 4; i++)
        sum = mix_round(sum, lanes[i]);
    return sum;
}
