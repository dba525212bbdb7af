/* Elements of a matrix. */
#include "pipeline.h"

uint32_t matrix_get(const matrix *m, uint32_t row, uint32_t column)
{
    return m->values[row * m->side + column];
}

void matrix_add(matrix *m, uint32_t row, uint32_t column, uint32_t value)
{
    m->values[row * m->side + column] += value;
}
