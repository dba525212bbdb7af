/* A stack machine: sixteen instructions, a circular stack, wrap-around jumps. It never stops early. */
#include "pipeline.h"

#include <string.h>

void machine_run(const uint8_t *seed, uint32_t steps, uint32_t *memory)
{
    stack s;
    memset(&s, 0, sizeof s);
    memset(memory, 0, sizeof(uint32_t) * CELLS);
    uint32_t at = 0;
    for (uint32_t step = 0; step < steps; step++) {
        uint8_t code = seed[at % CODES];
        uint32_t argument = code >> 4, a, b;
        at++;
        switch (code & 15) {
        case 0: case 1: case 2:
            stack_push(&s, argument + step);
            break;
        case 3: case 4:
            a = stack_pop(&s);
            b = stack_pop(&s);
            stack_push(&s, a + b);
            break;
        case 5:
            a = stack_pop(&s);
            b = stack_pop(&s);
            stack_push(&s, a - b);
            break;
        case 6:
            a = stack_pop(&s);
            b = stack_pop(&s);
            stack_push(&s, a * (b | 1u));
            break;
        case 7:
            a = stack_pop(&s);
            b = stack_pop(&s);
            stack_push(&s, a ^ b);
            break;
        case 8:
            a = stack_pop(&s);
            stack_push(&s, (a >> argument) | (a << ((32 - argument) & 31)));
            break;
        case 9:
            a = stack_pop(&s);
            stack_push(&s, a);
            stack_push(&s, a);
            break;
        case 10: case 11:
            a = stack_pop(&s);
            stack_push(&s, memory[a % CELLS]);
            break;
        case 12: case 13:
            a = stack_pop(&s);
            memory[(a ^ argument) % CELLS] += stack_pop(&s);
            break;
        case 14:
            if (stack_pop(&s) & 1)
                at += argument;
            break;
        default:
            at += argument * 2 + 1;
            break;
        }
    }
}
