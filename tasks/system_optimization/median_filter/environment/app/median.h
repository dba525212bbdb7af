/* The filter that solve.c implements. Pinned: the verifier takes its own copy. */
#ifndef MEDIAN_H
#define MEDIAN_H

#include <stdint.h>

/*
 * dst[y * width + x] = the median of the (2 * radius + 1)^2 pixels of src around (x, y).
 * Pixels outside the image take the value of the nearest pixel inside (the border is replicated).
 * width, height >= 1; radius from 0 to 31. src is read-only; src and dst never overlap.
 */
void median_filter(const uint8_t *src, uint8_t *dst, int width, int height, int radius);

#endif
