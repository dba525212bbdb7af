/* A ledger behind one lock, in one open table: an account is three words in place. */
#include "ledger.h"

#include <pthread.h>

#include <stdlib.h>

typedef struct {
    uint32_t number; /* 0: free */
    uint32_t version, balance;
} account;

struct ledger {
    pthread_mutex_t lock;
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
    pthread_mutex_init(&l->lock, NULL);
    l->accounts = calloc(size, sizeof *l->accounts);
    return l->accounts ? l : NULL;
}

/* The account's place, taken now if it has none. */
static account *find(ledger *l, uint32_t number)
{
    uint32_t at = (number * 0x9E3779B1u >> 7) & l->mask;
    while (l->accounts[at].number != 0 && l->accounts[at].number != number)
        at = (at + 1) & l->mask;
    l->accounts[at].number = number;
    return &l->accounts[at];
}

static void change(account *a, uint32_t by)
{
    a->version++;
    a->balance += by;
}

static result perform(ledger *l, const operation *op)
{
    account *a = find(l, op->account), *b = NULL;
    if (op->kind == DEPOSIT) {
        change(a, op->amount);
    } else if (op->kind == TRANSFER && a->balance >= op->amount) {
        b = find(l, op->other);
        change(a, -op->amount);
        change(b, op->amount);
    }
    return (result){a->version, a->balance, b ? b->version : 0, b ? b->balance : 0};
}

void ledger_run(ledger *l, int thread, const operation *operations, result *results, int count)
{
    (void)thread;
    pthread_mutex_lock(&l->lock);
    for (int i = 0; i < count; i++)
        results[i] = perform(l, &operations[i]);
    pthread_mutex_unlock(&l->lock);
}

void ledger_free(ledger *l)
{
    pthread_mutex_destroy(&l->lock);
    free(l->accounts);
    free(l);
}
