/*
 * row: 9
 * expect: honest
 * slow: yes
 * why: A resolver runs before main, and before any constructor: there is no input yet.
 */
#include "solve.h"
static void plain(const unsigned char *bytes, size_t n, uint32_t *counts) { honest(bytes, n, counts); }
static void *choose(void) { return (void *)plain; }
void count_equal(const unsigned char *, size_t, uint32_t *) __attribute__((ifunc("choose")));
