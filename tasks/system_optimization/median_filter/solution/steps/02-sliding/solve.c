/* 2-D median filter: one histogram slides along each row; two columns of pixels change per step. */
#include "median.h"

#include <string.h>

static int clamp(int value, int limit)
{
    if (value < 0)
        return 0;
    return value < limit ? value : limit - 1;
}

static uint8_t median_of(const uint16_t *counts, int half)
{
    int value = 0;
    for (int below = counts[0]; below <= half; below += counts[value])
        value++;
    return (uint8_t)value;
}

void median_filter(const uint8_t *src, uint8_t *dst, int width, int height, int radius)
{
    int side = 2 * radius + 1;
    const uint8_t *rows[63];
    uint16_t counts[256];
    for (int y = 0; y < height; y++) {
        for (int i = 0; i < side; i++)
            rows[i] = src + (long)clamp(y + i - radius, height) * width;
        memset(counts, 0, sizeof counts);
        for (int i = 0; i < side; i++)
            for (int dx = -radius; dx <= radius; dx++)
                counts[rows[i][clamp(dx, width)]]++;
        for (int x = 0;; x++) {
            dst[(long)y * width + x] = median_of(counts, side * side / 2);
            if (x == width - 1)
                break;
            int leaving = clamp(x - radius, width), entering = clamp(x + 1 + radius, width);
            for (int i = 0; i < side; i++) {
                counts[rows[i][leaving]]--;
                counts[rows[i][entering]]++;
            }
        }
    }
}
