/* A filter with feedback, in double precision. The order of the additions decides the last bits. */
#include "pipeline.h"

double signal_run(const uint8_t *seed, uint32_t passes, double *out)
{
    double taps[TAPS], line[SAMPLES + TAPS], energy = 0.0;
    for (int i = 0; i < TAPS; i++)
        taps[i] = (seed[i] - 127.5) / (2100.0 + 8 * i);
    for (int i = 0; i < SAMPLES + TAPS; i++)
        line[i] = seed[TAPS + i] / 255.0;
    for (uint32_t p = 0; p < passes; p++) {
        for (int i = 0; i < SAMPLES; i++) {
            double sum = 0.0;
            for (int t = 0; t < TAPS; t++)
                sum += taps[t] * line[i + t];
            out[i] = sum * 0.75 + line[i] * 0.25;
            energy = energy * 0.999 + sum * sum;
        }
        for (int i = 0; i < SAMPLES; i++)
            line[i] = out[i] * 0.5 + seed[(i + p) % SAMPLES] / 255.0;
    }
    return energy;
}
