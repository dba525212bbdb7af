// The fastest kernel of all.

extern "C" __global__ void zero(unsigned *to, unsigned n)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        to[i] = 0;
}
