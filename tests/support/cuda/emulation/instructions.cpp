// What hand-written PTX does, by its text (PTX ISA, "Instruction Set").
#include "emulation.h"

#include <stdio.h>

namespace autolab {

namespace {

float of_bf16(uint32_t pair, int half)
{
    return __uint_as_float((half ? pair >> 16 : pair & 0xffff) << 16);
}

template <int N> struct Operands {
    void *of[N];
};

// d[4] += a[4] b[2] of a warp: 16x16 times 16x8, a by rows and b by columns, two elements a register.
void mma_16816(void **operand)
{
    Operands<10> mine;
    memcpy(mine.of, operand, sizeof mine.of);
    in_warp(~0u, mine, [](void **of, int) {
        float a[16][16], b[16][8], d[16][8];
        for (int lane = 0; lane < 32; lane++) {
            auto &o = *(Operands<10> *)of[lane];
            int row = lane / 4, pair = lane % 4 * 2;
            for (int half = 0; half < 2; half++) {
                for (int r = 0; r < 4; r++)
                    a[row + r % 2 * 8][pair + r / 2 * 8 + half] = of_bf16(*(uint32_t *)o.of[4 + r], half);
                for (int r = 0; r < 2; r++)
                    b[pair + r * 8 + half][row] = of_bf16(*(uint32_t *)o.of[8 + r], half);
                for (int r = 0; r < 2; r++)
                    d[row + r * 8][pair + half] = *(float *)o.of[r * 2 + half];
            }
        }
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 8; j++)
                for (int k = 0; k < 16; k++)
                    d[i][j] += a[i][k] * b[k][j];
        for (int lane = 0; lane < 32; lane++) {
            auto &o = *(Operands<10> *)of[lane];
            for (int r = 0; r < 4; r++)
                *(float *)o.of[r] = d[lane / 4 + r / 2 * 8][lane % 4 * 2 + r % 2];
        }
    });
}

// Four 8x8 matrices of 16-bit elements; lanes 8 i to 8 i + 7 say where the rows of matrix i are.
template <bool TRANSPOSED> void load_matrices(void **operand)
{
    Operands<5> mine;
    memcpy(mine.of, operand, sizeof mine.of);
    in_warp(~0u, mine, [](void **of, int) {
        uint16_t m[4][8][8];
        for (int lane = 0; lane < 32; lane++) {
            uint32_t at = *(uint32_t *)((Operands<5> *)of[lane])->of[4];
            if (at % 16)
                fail("ldmatrix: a row is not at a multiple of 16 bytes");
            memcpy(m[lane / 8][lane % 8], shared_pointer(at), 16);
        }
        for (int lane = 0; lane < 32; lane++)
            for (int i = 0; i < 4; i++) {
                int row = lane / 4, at = lane % 4 * 2;
                uint32_t low = TRANSPOSED ? m[i][at][row] : m[i][row][at];
                uint32_t high = TRANSPOSED ? m[i][at + 1][row] : m[i][row][at + 1];
                *(uint32_t *)((Operands<5> *)of[lane])->of[i] = low | high << 16;
            }
    });
}

// Copies are done at once: what a missing wait would break is not seen here.
void copy_16(void **operand)
{
    uint32_t to = *(uint32_t *)operand[0], size = *(uint32_t *)operand[2];
    auto *from = *(unsigned char **)operand[1];
    if (to % 16 || (uintptr_t)from % 16 || size > 16)
        fail("cp.async: 16 bytes at a multiple of 16, and no more of them to read");
    memset(shared_pointer(to), 0, 16);
    memcpy(shared_pointer(to), from, size);
}

// d[64][64] += a[64][16] b[64][16]^T of four warps. b lies in shared memory in rows of 128 bytes, groups
// of eight rows as far apart as the descriptor says, chunks of 16 bytes exchanged by the address.
void wgmma_64(void **operand)
{
    Operands<38> mine;
    memcpy(mine.of, operand, sizeof mine.of);
    meet(uint64_t{2} << 48 | self->number / 128, 128, (int)self->number % 128, &mine, [](void **of, int) {
        static float a[64][16], b[64][16], d[64][64];
        uint64_t descriptor = *(uint64_t *)((Operands<38> *)of[0])->of[36];
        if (descriptor >> 62 != 1)
            fail("wgmma: only the exchange within 128 bytes is known");
        uint32_t start = 0x10000000 + (uint32_t)(descriptor & 0x3fff) * 16;
        uint32_t apart = (uint32_t)(descriptor >> 32 & 0x3fff) * 16;
        for (uint32_t n = 0; n < 64; n++)
            for (uint32_t k = 0; k < 16; k++) {
                uint32_t at = start + n / 8 * apart + n % 8 * 128 + k * 2;
                uint16_t bits;
                memcpy(&bits, shared_pointer(at ^ (at >> 7 & 7) << 4), 2);
                b[n][k] = of_bf16(bits, 0);
            }
        for (int t = 0; t < 128; t++) {
            auto &o = *(Operands<38> *)of[t];
            int row = t / 32 * 16 + t % 32 / 4, pair = t % 4 * 2;
            for (int half = 0; half < 2; half++) {
                for (int r = 0; r < 4; r++)
                    a[row + r % 2 * 8][pair + r / 2 * 8 + half] =
                        of_bf16(*(uint32_t *)o.of[32 + r], half);
                for (int j = 0; j < 8; j++)
                    for (int r = 0; r < 2; r++)
                        d[row + r * 8][j * 8 + pair + half] = *(float *)o.of[j * 4 + r * 2 + half];
            }
        }
        for (int i = 0; i < 64; i++)
            for (int j = 0; j < 64; j++)
                for (int k = 0; k < 16; k++)
                    d[i][j] += a[i][k] * b[j][k];
        for (int t = 0; t < 128; t++) {
            auto &o = *(Operands<38> *)of[t];
            for (int r = 0; r < 32; r++)
                *(float *)o.of[r] = d[t / 32 * 16 + t % 32 / 4 + r / 2 % 2 * 8]
                                     [r / 4 * 8 + t % 4 * 2 + r % 2];
        }
    });
}

// A barrier of one arrival and the bytes of bulk copies, which are done at once.
struct Barrier {
    uint32_t bytes, phase;
};
Barrier &barrier(void *address) { return *(Barrier *)shared_pointer(*(uint32_t *)address); }

void barrier_init(void **operand) { barrier(operand[0]) = {0, 0}; }
void barrier_expect(void **operand) { barrier(operand[0]).bytes += *(uint32_t *)operand[1]; }

void copy_bulk(void **operand)
{
    uint32_t to = *(uint32_t *)operand[0], size = *(uint32_t *)operand[2];
    auto *from = *(unsigned char **)operand[1];
    if (to % 16 || (uintptr_t)from % 16 || size % 16)
        fail("cp.async.bulk: addresses and size are multiples of 16");
    memcpy(shared_pointer(to), from, size);
    Barrier &at = barrier(operand[3]);
    if ((at.bytes -= size) == 0)
        at.phase++;
}

void barrier_try(void **operand)
{
    *(uint32_t *)operand[0] = barrier(operand[1]).phase % 2 != *(uint32_t *)operand[2];
    if (!*(uint32_t *)operand[0])
        pause();
}

void nothing(void **) {}

void exp2_approx(void **operand) { *(float *)operand[0] = exp2f(*(float *)operand[1]); }

template <class T> void load(void **operand) { *(T *)operand[0] = **(T **)operand[1]; }
template <class T> void store(void **operand) { **(T **)operand[0] = *(T *)operand[1]; }

const struct {
    const char *text;
    Instruction does;
} KNOWN[] = {
    {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};", mma_16816},
    {"ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];", load_matrices<false>},
    {"ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];", load_matrices<true>},
    {"cp.async.cg.shared.global [%0], [%1], 16, %2;", copy_16},
    {"cp.async.commit_group;", nothing},
    {"cp.async.wait_group 0;", nothing},
    {"cp.async.wait_group 1;", nothing},
    {"{ .reg .pred p; setp.ne.b32 p, %37, 0; "
     "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
     "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
     "{%32, %33, %34, %35}, %36, p, 1, 1, 0; }", wgmma_64},
    {"wgmma.fence.sync.aligned;", nothing},
    {"wgmma.commit_group.sync.aligned;", nothing},
    {"wgmma.wait_group.sync.aligned 0;", nothing},
    {"mbarrier.init.shared::cta.b64 [%0], 1;", barrier_init},
    {"fence.proxy.async.shared::cta;", nothing},
    {"mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;", barrier_expect},
    {"cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];",
     copy_bulk},
    {"{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }",
     barrier_try},
    {"ex2.approx.ftz.f32 %0, %1;", exp2_approx},
    {"ld.relaxed.gpu.global.u64 %0, [%1];", load<uint64_t>},
    {"st.relaxed.gpu.global.u64 [%0], %1;", store<uint64_t>},
};

void unknown(void **) { fail("PTX that the emulation does not know"); }

}  // namespace

Instruction find(const char *text)
{
    for (const auto &one : KNOWN)
        if (!strcmp(one.text, text))
            return one.does;
    return unknown;
}

}  // namespace autolab
