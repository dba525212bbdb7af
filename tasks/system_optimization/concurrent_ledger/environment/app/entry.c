/* From the verifier's byte blobs to drive(). Pinned: the verifier takes its own copy. */
#include "drive.h"

#include <stddef.h>
#include <string.h>

/* Input: a workload, then its operations. Output: their results, in the same order. */
int autolab_solve(const void *input, size_t input_size, void *output, size_t output_size)
{
    workload w;
    if (input_size < sizeof w)
        return 1;
    memcpy(&w, input, sizeof w);
    size_t count = (size_t)w.threads * w.each;
    if (w.threads < 1 || w.threads > THREADS_MAX || w.rounds < 1)
        return 2;
    if (input_size != sizeof w + count * sizeof(operation) || output_size != count * sizeof(result))
        return 3;
    return drive(&w, (const operation *)((const char *)input + sizeof w), output);
}
