/* 2-D median filter: count each window's values; the median is where half of them lie below. */
#include "median.h"

#include <string.h>

static int clamp(int value, int limit)
{
    if (value < 0)
        return 0;
    return value < limit ? value : limit - 1;
}

void median_filter(const uint8_t *src, uint8_t *dst, int width, int height, int radius)
{
    int side = 2 * radius + 1;
    int half = side * side / 2;
    uint16_t counts[256];
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            memset(counts, 0, sizeof counts);
            for (int dy = -radius; dy <= radius; dy++) {
                const uint8_t *row = src + (long)clamp(y + dy, height) * width;
                for (int dx = -radius; dx <= radius; dx++)
                    counts[row[clamp(x + dx, width)]]++;
            }
            int value = 0;
            for (int below = counts[0]; below <= half; below += counts[value])
                value++;
            dst[(long)y * width + x] = (uint8_t)value;
        }
    }
}
