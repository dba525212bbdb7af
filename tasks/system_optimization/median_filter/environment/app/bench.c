/*
 * Measure solve.c yourself: ./bench_median check | time WIDTH HEIGHT RADIUS.
 * Pinned, and only for you: the verifier has its own driver, clock and images.
 */
#define _POSIX_C_SOURCE 200809L
#include "median.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPETITIONS = 5, TILE = 24 };

static uint64_t random_state = 88172645463325252u;

static uint32_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint8_t *image(int width, int height)
{
    uint8_t *pixels = malloc((size_t)width * (size_t)height);
    if (pixels == NULL)
        abort();
    return pixels;
}

/* Noise in patches of changing brightness and contrast. */
static void fill(uint8_t *pixels, int width, int height)
{
    for (int top = 0; top < height; top += TILE)
        for (int left = 0; left < width; left += TILE) {
            int low = (int)(random_number() % 200), span = 1 + (int)(random_number() % 255);
            if (low + span > 256)
                span = 256 - low;
            for (int y = top; y < top + TILE && y < height; y++)
                for (int x = left; x < left + TILE && x < width; x++)
                    pixels[y * width + x] = (uint8_t)(low + (int)(random_number() % (uint32_t)span));
        }
}

/* The definition, without any cleverness: the value with half of the window below or at it. */
static int median_at(const uint8_t *src, int width, int height, int radius, int x, int y)
{
    int counts[256] = {0}, wanted = (2 * radius + 1) * (2 * radius + 1) / 2;
    for (int dy = -radius; dy <= radius; dy++)
        for (int dx = -radius; dx <= radius; dx++) {
            int sy = y + dy < 0 ? 0 : y + dy >= height ? height - 1 : y + dy;
            int sx = x + dx < 0 ? 0 : x + dx >= width ? width - 1 : x + dx;
            counts[src[sy * width + sx]]++;
        }
    for (int value = 0, seen = 0; value < 256; value++) {
        seen += counts[value];
        if (seen > wanted)
            return value;
    }
    return -1;
}

static int check_one(int width, int height, int radius)
{
    uint8_t *src = image(width, height), *dst = image(width, height);
    int wrong = 0;
    fill(src, width, height);
    memset(dst, 0xA5, (size_t)width * (size_t)height);
    median_filter(src, dst, width, height, radius);
    for (int y = 0; y < height && !wrong; y++)
        for (int x = 0; x < width && !wrong; x++) {
            int expected = median_at(src, width, height, radius, x, y);
            if (dst[y * width + x] != expected) {
                printf("WRONG %dx%d radius %d: (%d, %d) is %d and should be %d\n", width, height,
                       radius, x, y, dst[y * width + x], expected);
                wrong = 1;
            }
        }
    free(src);
    free(dst);
    return wrong;
}

static int check(void)
{
    static const int shapes[][3] = {{1, 1, 4},   {60, 1, 3},  {1, 60, 3},   {40, 30, 0},
                                    {64, 48, 1}, {9, 13, 31}, {131, 67, 6}, {90, 70, 12}};
    int wrong = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        wrong |= check_one(shapes[i][0], shapes[i][1], shapes[i][2]);
    puts(wrong ? "check: FAILED" : "check: ok");
    return wrong;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int measure(int width, int height, int radius)
{
    uint8_t *src = image(width, height), *dst = image(width, height);
    double times[REPETITIONS];
    for (int i = 0; i < REPETITIONS; i++) {
        fill(src, width, height);
        double start = now();
        median_filter(src, dst, width, height, radius);
        times[i] = now() - start;
    }
    qsort(times, REPETITIONS, sizeof times[0], compare);
    printf("%dx%d radius %d: median %.3f ms of %d\n", width, height, radius,
           times[REPETITIONS / 2] * 1e3, REPETITIONS);
    free(src);
    free(dst);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "check") == 0)
        return check();
    if (argc == 5 && strcmp(argv[1], "time") == 0) {
        int width = atoi(argv[2]), height = atoi(argv[3]), radius = atoi(argv[4]);
        if (width >= 1 && height >= 1 && radius >= 0 && radius <= 31)
            return measure(width, height, radius);
    }
    fprintf(stderr, "usage: %s check | time WIDTH HEIGHT RADIUS (0 to 31)\n", argv[0]);
    return 2;
}
