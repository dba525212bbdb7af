/* Repeated multiplication of square matrices, modulo 2^32. */
#include "pipeline.h"

#include <string.h>

static void multiply(const matrix *a, const matrix *b, matrix *out)
{
    memset(out->values, 0, sizeof(uint32_t) * out->side * out->side);
    for (uint32_t i = 0; i < out->side; i++)
        for (uint32_t k = 0; k < out->side; k++) {
            uint32_t factor = matrix_get(a, i, k);
            for (uint32_t j = 0; j < out->side; j++)
                matrix_add(out, i, j, factor * matrix_get(b, k, j));
        }
}

void matrix_run(const uint8_t *seed, uint32_t products, uint32_t *out)
{
    uint32_t first[ORDER * ORDER], power[ORDER * ORDER];
    for (int i = 0; i < ORDER * ORDER; i++) {
        first[i] = (uint32_t)seed[i] * 2654435761u + (uint32_t)i;
        power[i] = seed[i] | 1u;
    }
    matrix a = {ORDER, first}, b = {ORDER, power}, c = {ORDER, out};
    for (uint32_t p = 0; p < products; p++) {
        multiply(&a, &b, &c);
        memcpy(power, out, sizeof power);
    }
}
