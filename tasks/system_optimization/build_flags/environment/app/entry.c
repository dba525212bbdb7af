/* From the verifier's byte blobs to the kernels and back. */
#include "pipeline.h"

#include <string.h>

/* Enough bytes for the hungriest kernel. */
enum { SEED = GRID * GRID };

/* Input: the five uint32 of `work`, little-endian, then SEED bytes. Output: one `results`. */
int autolab_solve(const void *input, size_t input_size, void *output, size_t output_size)
{
    work w;
    if (input_size != sizeof w + SEED || output_size != sizeof(results))
        return 1;
    memcpy(&w, input, sizeof w);
    const uint8_t *seed = (const uint8_t *)input + sizeof w;
    results *r = output;
    memset(r, 0, sizeof *r);
    cells_run(seed, w.generations, r->grid);
    matrix_run(seed, w.products, r->product);
    machine_run(seed, w.steps, r->memory);
    distance_run(seed, w.comparisons, r->distance);
    r->energy = signal_run(seed, w.passes, r->signal);
    r->digest = digest_bytes(output, offsetof(results, digest));
    return 0;
}
