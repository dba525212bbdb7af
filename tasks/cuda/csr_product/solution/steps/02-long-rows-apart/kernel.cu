// y = A x, A sparse and stored by rows: eight threads go over a short row. Long rows are cut into
// pieces and put on a list, which all warps of a second kernel share.

constexpr unsigned ALL = 0xffffffffu;
constexpr unsigned LONG = 256;    // entries of a row from which on it is cut
constexpr unsigned PIECE = 1024;  // entries a warp takes at a time
constexpr unsigned TEAM = 8;

extern "C" __global__ void clear(unsigned *count)
{
    *count = 0;
}

extern "C" __global__ void __launch_bounds__(256)
    short_rows(const unsigned *starts, const unsigned *columns, const float *values, const float *x,
               float *y, uint2 *list, unsigned *count, unsigned rows)
{
    unsigned row = (blockIdx.x * blockDim.x + threadIdx.x) / TEAM, member = threadIdx.x % TEAM;
    unsigned begin = 0, end = 0;
    if (row < rows) {
        begin = starts[row];
        end = starts[row + 1];
    }
    float sum = 0;
    bool is_long = end - begin >= LONG;
    if (is_long) {
        if (member == 0) {
            unsigned at = atomicAdd(count, (end - begin + PIECE - 1) / PIECE);
            for (unsigned first = begin; first < end; first += PIECE)
                list[at++] = make_uint2(row, first);
        }
    } else {
        for (unsigned i = begin + member; i < end; i += TEAM)
            sum += values[i] * x[columns[i]];
    }
    for (unsigned with = TEAM / 2; with > 0; with /= 2)
        sum += __shfl_xor_sync(ALL, sum, with);
    if (member == 0 && row < rows)
        y[row] = sum;  // of a long row 0, to which its pieces are added
}

// Warps take pieces from the list in turns.
extern "C" __global__ void __launch_bounds__(256)
    long_rows(const unsigned *starts, const unsigned *columns, const float *values, const float *x,
              float *y, const uint2 *list, const unsigned *count)
{
    unsigned lane = threadIdx.x % 32, warps = gridDim.x * blockDim.x / 32, listed = *count;
    for (unsigned at = (blockIdx.x * blockDim.x + threadIdx.x) / 32; at < listed; at += warps) {
        uint2 piece = list[at];
        unsigned last = min(starts[piece.x + 1], piece.y + PIECE);
        float sum = 0;
        for (unsigned i = piece.y + lane; i < last; i += 32)
            sum += values[i] * x[columns[i]];
        for (int with = 16; with > 0; with /= 2)
            sum += __shfl_xor_sync(ALL, sum, with);
        if (lane == 0)
            atomicAdd(&y[piece.x], sum);
    }
}
