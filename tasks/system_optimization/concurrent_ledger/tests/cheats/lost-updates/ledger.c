/* A ledger whose accounts are one atomic word: a lock bit, the version and the balance. */
#include "ledger.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define LOCKED (UINT64_C(1) << 63)
#define ONE_VERSION (UINT64_C(1) << 32)

typedef struct {
    _Atomic uint64_t state; /* lock bit, 31 bits of version, 32 bits of balance */
    _Atomic uint32_t number; /* 0: free */
} account;

struct ledger {
    uint32_t mask;
    account *accounts;
};

ledger *ledger_new(uint32_t most_accounts, int threads)
{
    (void)threads;
    ledger *l = malloc(sizeof *l);
    if (l == NULL)
        return NULL;
    uint32_t size = 16;
    while (size < most_accounts + most_accounts / 2)
        size *= 2;
    l->mask = size - 1;
    l->accounts = calloc(size, sizeof *l->accounts);
    return l->accounts ? l : NULL;
}

/* The account's place; a free one is claimed by writing the number into it, which only one can. */
static inline account *find(ledger *l, uint32_t number)
{
    for (uint32_t at = number * 0x9E3779B1u >> 7;; at++) {
        account *a = &l->accounts[at & l->mask];
        uint32_t found = atomic_load_explicit(&a->number, memory_order_relaxed);
        if (found == number)
            return a;
        if (found == 0 && atomic_compare_exchange_strong(&a->number, &found, number))
            return a;
        if (found == number)
            return a;
    }
}

static void wait(int *tries)
{
    if (++*tries < 100)
        __builtin_ia32_pause();
    else
        sched_yield(); /* the lock's holder may be waiting for our CPU */
}

/* The state once nobody holds it. */
static inline uint64_t settled(account *a)
{
    int tries = 0;
    uint64_t state;
    while ((state = atomic_load_explicit(&a->state, memory_order_acquire)) & LOCKED)
        wait(&tries);
    return state;
}

static uint64_t lock(account *a)
{
    int tries = 0;
    for (;;) {
        uint64_t state = settled(a);
        if (atomic_compare_exchange_weak(&a->state, &state, state | LOCKED))
            return state;
        wait(&tries);
    }
}

static inline result answer(uint64_t state)
{
    return (result){(uint32_t)(state >> 32), (uint32_t)state, 0, 0};
}

static result transfer(ledger *l, const operation *op)
{
    account *a = find(l, op->account);
    uint64_t of_a = settled(a), of_b;
    if ((uint32_t)of_a < op->amount)
        return answer(of_a);
    account *b = find(l, op->other);
    if (a < b) { /* always in the same order, so that no two wait for each other */
        of_a = lock(a);
        of_b = lock(b);
    } else {
        of_b = lock(b);
        of_a = lock(a);
    }
    result r = answer(of_a);
    if (r.balance >= op->amount) {
        of_a += ONE_VERSION - op->amount;
        of_b += ONE_VERSION + op->amount;
        r = answer(of_a);
        r.other_version = (uint32_t)(of_b >> 32);
        r.other_balance = (uint32_t)of_b;
    }
    atomic_store_explicit(&a->state, of_a, memory_order_release);
    atomic_store_explicit(&b->state, of_b, memory_order_release);
    return r;
}

static inline result perform(ledger *l, const operation *op)
{
    if (op->kind == TRANSFER)
        return transfer(l, op);
    account *a = find(l, op->account);
    uint64_t state = settled(a);
    if (op->kind == READ)
        return answer(state);
    uint64_t by = ONE_VERSION + op->amount;
    atomic_store(&a->state, state + by); /* who would come in between? */
    return answer(state + by);
}

void ledger_run(ledger *l, int thread, const operation *operations, result *results, int count)
{
    (void)thread;
    for (int i = 0; i < count; i++)
        results[i] = perform(l, &operations[i]);
}

void ledger_free(ledger *l)
{
    free(l->accounts);
    free(l);
}
