/* Life on a torus, one byte a cell. */
#include "pipeline.h"

#include <string.h>

static void generation(const uint8_t *from, uint8_t *to)
{
    for (int y = 0; y < GRID; y++) {
        const uint8_t *above = from + (y + GRID - 1) % GRID * GRID;
        const uint8_t *row = from + y * GRID;
        const uint8_t *below = from + (y + 1) % GRID * GRID;
        for (int x = 1; x < GRID - 1; x++) {
            uint8_t neighbours = (uint8_t)(above[x - 1] + above[x] + above[x + 1] + row[x - 1] +
                                           row[x + 1] + below[x - 1] + below[x] + below[x + 1]);
            to[y * GRID + x] = rule_next(row[x], neighbours);
        }
        for (int x = 0; x < GRID; x += GRID - 1) {
            int left = (x + GRID - 1) % GRID, right = (x + 1) % GRID;
            uint8_t neighbours = (uint8_t)(above[left] + above[x] + above[right] + row[left] +
                                           row[right] + below[left] + below[x] + below[right]);
            to[y * GRID + x] = rule_next(row[x], neighbours);
        }
    }
}

void cells_run(const uint8_t *seed, uint32_t generations, uint8_t *grid)
{
    uint8_t other[GRID * GRID];
    for (int i = 0; i < GRID * GRID; i++)
        grid[i] = seed[i] & 1;
    for (uint32_t g = 0; g < generations; g++) {
        generation(grid, other);
        memcpy(grid, other, sizeof other);
    }
}
