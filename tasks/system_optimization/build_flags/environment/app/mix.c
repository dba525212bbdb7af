/* One round of the hash. */
#include "pipeline.h"

uint64_t mix_round(uint64_t lane, uint64_t word)
{
    lane ^= word * 0x9E3779B97F4A7C15u;
    lane = (lane << 31) | (lane >> 33);
    return lane * 0xD6E8FEB86659FD93u + 0x2545F4914F6CDD1Du;
}
