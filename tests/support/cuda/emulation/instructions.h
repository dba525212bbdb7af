// The PTX that kernels write by hand, word for word: an asm statement that is not here is refused.
//
// building.py turns `asm volatile("TEXT" : "=f"(a) : "r"(b))` into autolab_ptx("TEXT", a, b).
#pragma once

namespace autolab {

using Instruction = void (*)(void **operand);
Instruction find(const char *text);

template <class... T> void ptx(Instruction instruction, T &&...operand)
{
    void *of[] = {(void *)&operand..., nullptr};
    instruction(of);
}

}  // namespace autolab

#define autolab_ptx(text, ...) \
    do { \
        static const autolab::Instruction known = autolab::find(text); \
        autolab::ptx(known, ##__VA_ARGS__); \
    } while (0)
