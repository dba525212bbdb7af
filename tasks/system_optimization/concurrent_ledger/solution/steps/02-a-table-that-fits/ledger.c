/* A ledger behind one lock: a hash table as large as its accounts need. */
#include "ledger.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct account {
    uint32_t number, version, balance;
    struct account *next;
} account;

struct ledger {
    pthread_mutex_t lock;
    uint32_t mask;
    account **chains;
};

ledger *ledger_new(uint32_t most_accounts, int threads)
{
    (void)threads;
    ledger *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    uint32_t size = 16;
    while (size < most_accounts)
        size *= 2;
    l->mask = size - 1;
    l->chains = calloc(size, sizeof *l->chains);
    pthread_mutex_init(&l->lock, NULL);
    return l->chains ? l : NULL;
}

static account *find(ledger *l, uint32_t number)
{
    account **at = &l->chains[(number * 0x9E3779B1u >> 7) & l->mask];
    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    if (*at == NULL) {
        *at = calloc(1, sizeof **at);
        if (*at == NULL)
            abort();
        (*at)->number = number;
    }
    return *at;
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
    for (int i = 0; i < count; i++) {
        pthread_mutex_lock(&l->lock);
        results[i] = perform(l, &operations[i]);
        pthread_mutex_unlock(&l->lock);
    }
}

void ledger_free(ledger *l)
{
    for (uint32_t i = 0; i <= l->mask; i++)
        for (account *a = l->chains[i], *next; a != NULL; a = next) {
            next = a->next;
            free(a);
        }
    free(l->chains);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
