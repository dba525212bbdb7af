/* A ledger in one open table: an account is four words in place, with a lock of its own. */
#include "ledger.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef struct {
    _Atomic uint32_t number; /* 0: free */
    _Atomic uint32_t locked;
    uint32_t version, balance;
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

/* The account's place; a free one is taken by writing the number into it, which two can do at once. */
static account *find(ledger *l, uint32_t number)
{
    for (uint32_t at = number * 0x9E3779B1u >> 7;; at++) {
        account *a = &l->accounts[at & l->mask];
        uint32_t found = atomic_load_explicit(&a->number, memory_order_relaxed);
        if (found == 0)
            atomic_store_explicit(&a->number, number, memory_order_relaxed);
        if (found == 0 || found == number)
            return a;
    }
}

static void lock(account *a)
{
    for (int tries = 0; atomic_exchange_explicit(&a->locked, 1, memory_order_acquire); tries++) {
        if (tries < 100)
            __builtin_ia32_pause();
        else
            sched_yield(); /* its holder may be waiting for our CPU */
    }
}

static void unlock(account *a)
{
    atomic_store_explicit(&a->locked, 0, memory_order_release);
}

static void change(account *a, uint32_t by)
{
    a->version++;
    a->balance += by;
}

static result perform(ledger *l, const operation *op)
{
    account *a = find(l, op->account);
    if (op->kind != TRANSFER) {
        lock(a);
        if (op->kind == DEPOSIT)
            change(a, op->amount);
        result r = {a->version, a->balance, 0, 0};
        unlock(a);
        return r;
    }
    account *b = find(l, op->other);
    account *first = a < b ? a : b, *second = a < b ? b : a;
    lock(first);
    lock(second);
    result r = {0};
    if (a->balance >= op->amount) {
        change(a, -op->amount);
        change(b, op->amount);
        r.other_version = b->version;
        r.other_balance = b->balance;
    }
    r.version = a->version;
    r.balance = a->balance;
    unlock(second);
    unlock(first);
    return r;
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
