/*
 * A small batch program in several files: five kernels work on one block of bytes and leave
 * their results in an output record. Pinned: only flags.txt, how it is compiled, may change.
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include <stddef.h>
#include <stdint.h>

enum {
    GRID = 128,      /* side of the cell grid */
    ORDER = 64,      /* side of the matrices */
    CODES = 64,      /* length of the toy machine's program */
    CELLS = 64,      /* its memory, in words */
    DEPTH = 32,      /* its stack, a power of two */
    VECTORS = 64,    /* bit vectors that are compared with each other */
    WORDS = 32,      /* 64-bit words in one of them */
    TAPS = 16,       /* length of the signal filter */
    SAMPLES = 1024,  /* samples of the signal */
};

/* How much each kernel repeats itself. */
typedef struct {
    uint32_t generations, products, steps, comparisons, passes;
} work;

/* All results, every byte of which is compared. No padding. */
typedef struct {
    uint8_t grid[GRID * GRID];
    uint32_t product[ORDER * ORDER];
    uint32_t memory[CELLS];
    uint32_t distance[VECTORS * VECTORS];
    double signal[SAMPLES];
    double energy;
    uint64_t digest;
} results;

/* cells.c, rule.c: life on a torus. */
void cells_run(const uint8_t *seed, uint32_t generations, uint8_t *grid);
uint8_t rule_next(uint8_t alive, uint8_t neighbours);

/* matrix.c, access.c: powers of a matrix of 32-bit integers, modulo 2^32. */
typedef struct {
    uint32_t side;
    uint32_t *values;
} matrix;
void matrix_run(const uint8_t *seed, uint32_t products, uint32_t *out);
uint32_t matrix_get(const matrix *m, uint32_t row, uint32_t column);
void matrix_add(matrix *m, uint32_t row, uint32_t column, uint32_t value);

/* machine.c, stack.c: a stack machine that runs whatever program the bytes happen to be. */
typedef struct {
    uint32_t top;
    uint32_t slots[DEPTH];
} stack;
void machine_run(const uint8_t *seed, uint32_t steps, uint32_t *memory);
void stack_push(stack *s, uint32_t value);
uint32_t stack_pop(stack *s);

/* distance.c, bits.c: how many bits differ between vectors. */
void distance_run(const uint8_t *seed, uint32_t comparisons, uint32_t *out);
uint32_t bits_differing(uint64_t a, uint64_t b);

/* signal.c: a filter in double precision. Rounding is part of the result. */
double signal_run(const uint8_t *seed, uint32_t passes, double *out);

/* digest.c, mix.c: a hash of everything above. */
uint64_t digest_bytes(const uint8_t *data, size_t size);
uint64_t mix_round(uint64_t lane, uint64_t word);

#endif
