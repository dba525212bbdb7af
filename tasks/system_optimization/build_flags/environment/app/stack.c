/* A stack that overwrites its oldest slot rather than overflow. */
#include "pipeline.h"

void stack_push(stack *s, uint32_t value)
{
    s->top = (s->top + 1) % DEPTH;
    s->slots[s->top] = value;
}

uint32_t stack_pop(stack *s)
{
    uint32_t value = s->slots[s->top];
    s->top = (s->top + DEPTH - 1) % DEPTH;
    return value;
}
