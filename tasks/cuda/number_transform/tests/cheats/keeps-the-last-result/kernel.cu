// Writes what the run before computed, and keeps something for the next one.

constexpr unsigned MOST = 1u << 24;
__device__ unsigned kept[MOST];

extern "C" __global__ void recall(const unsigned *from, unsigned *to, unsigned total)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < total && i < MOST) {
        to[i] = kept[i];
        kept[i] = from[i];
    }
}
