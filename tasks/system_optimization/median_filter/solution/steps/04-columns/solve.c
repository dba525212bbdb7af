/*
 * 2-D median filter in a time that does not depend on the radius (after Perreault and Hebert).
 *
 * Every image column has a histogram of the 2 * radius + 1 pixels around the current row: sixteen
 * coarse counts (value / 16) and sixteen groups of sixteen fine ones. A first pass along the row
 * moves the window's coarse counts, one vector addition and subtraction per pixel, and notes which
 * group holds the median. A second pass brings the fine counts of that group alone up to date,
 * from where they were left. Neighbouring columns of one group lie side by side in memory, and
 * where the processor has the instructions both searches compare sixteen prefix sums at once.
 */
#include "median.h"

#include <stdlib.h>
#include <string.h>

typedef uint16_t counts16 __attribute__((vector_size(32)));

typedef struct {
    int width;
    counts16 *coarse;   /* [width] */
    counts16 *fine[16]; /* [16][width] */
    uint8_t *group;     /* [width] which group holds the median of the window at x */
    uint16_t *below;    /* [width] how many of that window lie below the group */
} columns;

static inline int clamp(int value, int limit)
{
    if (value < 0)
        return 0;
    return value < limit ? value : limit - 1;
}

/*
 * The lane where the running sum of counts first exceeds limit; *below gets the sum before it.
 * The sum of all lanes must exceed limit.
 */
#ifdef __AVX2__
typedef int16_t flags16 __attribute__((vector_size(32)));

static inline int locate(const counts16 *counts, int limit, int *below)
{
    const counts16 zero = {0};
    counts16 sums = *counts; /* inclusive prefix sums, in four shifted additions */
    sums += __builtin_shuffle(zero, sums, (counts16){0, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
                                                     27, 28, 29, 30});
    sums += __builtin_shuffle(zero, sums, (counts16){0, 1, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
                                                     26, 27, 28, 29});
    sums += __builtin_shuffle(zero, sums, (counts16){0, 1, 2, 3, 16, 17, 18, 19, 20, 21, 22, 23,
                                                     24, 25, 26, 27});
    sums += __builtin_shuffle(zero, sums, (counts16){0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20,
                                                     21, 22, 23});
    flags16 within = sums <= (uint16_t)limit;
    uint64_t words[4];
    memcpy(words, &within, sizeof words);
    int lane = (__builtin_popcountll(words[0]) + __builtin_popcountll(words[1]) +
                __builtin_popcountll(words[2]) + __builtin_popcountll(words[3])) / 16;
    sums -= *counts;
    *below = ((const uint16_t *)&sums)[lane];
    return lane;
}
#else
static inline int locate(const counts16 *counts, int limit, int *below)
{
    const uint16_t *lanes = (const uint16_t *)counts;
    int lane = 0, sum = 0;
    while (sum + lanes[lane] <= limit)
        sum += lanes[lane++];
    *below = sum;
    return lane;
}
#endif

static inline void count(const columns *c, int x, uint8_t value, int by)
{
    int group = value >> 4;
    ((uint16_t *)&c->coarse[x])[group] += (uint16_t)by;
    ((uint16_t *)&c->fine[group][x])[value & 15] += (uint16_t)by;
}

static void find_groups(const columns *c, int radius, int half)
{
    int width = c->width;
    counts16 window = {0};
    for (int dx = -radius; dx <= radius; dx++)
        window += c->coarse[clamp(dx, width)];
    for (int x = 0;; x++) {
        int below;
        c->group[x] = (uint8_t)locate(&window, half, &below);
        c->below[x] = (uint16_t)below;
        if (x == width - 1)
            return;
        window += c->coarse[clamp(x + 1 + radius, width)] - c->coarse[clamp(x - radius, width)];
    }
}

static void find_values(const columns *c, uint8_t *row, int radius, int half)
{
    int width = c->width;
    counts16 window[16] = {{0}};
    int at[16]; /* for which x a group's window was last brought up to date */
    for (int g = 0; g < 16; g++)
        at[g] = -4 * (radius + 1);
    for (int x = 0; x < width; x++) {
        int group = c->group[x];
        const counts16 *fine = c->fine[group];
        counts16 sums = window[group];
        if (x - at[group] > radius) {
            sums = (counts16){0};
            for (int dx = -radius; dx <= radius; dx++)
                sums += fine[clamp(x + dx, width)];
        } else {
            for (int i = at[group] + 1; i <= x; i++)
                sums += fine[clamp(i + radius, width)] - fine[clamp(i - 1 - radius, width)];
        }
        at[group] = x;
        window[group] = sums;
        int below;
        row[x] = (uint8_t)(group * 16 + locate(&sums, half - c->below[x], &below));
    }
}

static columns make_columns(int width)
{
    size_t size = sizeof(counts16) * 17 * (size_t)width;
    counts16 *counts = aligned_alloc(sizeof(counts16), size);
    columns c = {.width = width, .coarse = counts};
    c.group = malloc((size_t)width);
    c.below = malloc(sizeof(uint16_t) * (size_t)width);
    if (counts == NULL || c.group == NULL || c.below == NULL)
        abort();
    memset(counts, 0, size);
    for (int g = 0; g < 16; g++)
        c.fine[g] = counts + (size_t)(g + 1) * (size_t)width;
    return c;
}

void median_filter(const uint8_t *src, uint8_t *dst, int width, int height, int radius)
{
    int side = 2 * radius + 1, half = side * side / 2;
    columns c = make_columns(width);
    for (int dy = -radius; dy <= radius; dy++)
        for (int x = 0; x < width; x++)
            count(&c, x, src[(long)clamp(dy, height) * width + x], 1);
    for (int y = 0;; y++) {
        find_groups(&c, radius, half);
        find_values(&c, dst + (long)y * width, radius, half);
        if (y == height - 1)
            break;
        const uint8_t *leaving = src + (long)clamp(y - radius, height) * width;
        const uint8_t *entering = src + (long)clamp(y + 1 + radius, height) * width;
        for (int x = 0; x < width; x++) {
            count(&c, x, leaving[x], -1);
            count(&c, x, entering[x], 1);
        }
    }
    free(c.coarse);
    free(c.group);
    free(c.below);
}
