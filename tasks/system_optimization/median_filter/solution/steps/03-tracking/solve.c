/* 2-D median filter: the histogram slides, and the median is sought from where it last was. */
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
    const uint8_t *rows[63];
    uint16_t counts[256];
    for (int y = 0; y < height; y++) {
        for (int i = 0; i < side; i++)
            rows[i] = src + (long)clamp(y + i - radius, height) * width;
        memset(counts, 0, sizeof counts);
        for (int i = 0; i < side; i++)
            for (int dx = -radius; dx <= radius; dx++)
                counts[rows[i][clamp(dx, width)]]++;
        int value = 0, below = 0; /* below: how many of the window are less than value */
        for (int x = 0;; x++) {
            while (below > half)
                below -= counts[--value];
            while (below + counts[value] <= half)
                below += counts[value++];
            dst[(long)y * width + x] = (uint8_t)value;
            if (x == width - 1)
                break;
            int leaving = clamp(x - radius, width), entering = clamp(x + 1 + radius, width);
            for (int i = 0; i < side; i++) {
                uint8_t out = rows[i][leaving], in = rows[i][entering];
                counts[out]--;
                counts[in]++;
                below += (in < value) - (out < value);
            }
        }
    }
}
