/* Whether results can be right. Pinned, and only for you: the verifier has its own in Python. */
#ifndef REPLAY_H
#define REPLAY_H

#include "drive.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Takes the operations one by one, each thread's in its order, whenever an operation is possible now:
 * one that changes an account must follow the version before and all who read that one; one that reads
 * must find the version that it answered with. Operations that are possible at the same time do not
 * disturb each other, so that getting stuck means that there is no order at all.
 */
typedef struct {
    uint64_t key;
    uint32_t version, balance; /* of an account; or version: how many still read this version of it */
} slot;

typedef struct {
    slot *slots;
    uint64_t mask;
} table;

static slot *slot_of(table *t, uint32_t account, uint32_t version)
{
    uint64_t key = (uint64_t)account << 32 | version;
    uint64_t at = (key * 0x9E3779B97F4A7C15u) >> 20 & t->mask;
    while (t->slots[at].key != 0 && t->slots[at].key != key)
        at = (at + 1) & t->mask;
    t->slots[at].key = key;
    return &t->slots[at];
}

/* A TRANSFER that answers nothing of the other account is one that was refused. */
static int reads_only(const operation *op, const result *r)
{
    return op->kind == READ || (op->kind == TRANSFER && r->other_version == 0);
}

static int changes(table *now, table *readers, uint32_t account, uint32_t version)
{
    return slot_of(now, account, 0)->version + 1 == version &&
           slot_of(readers, account, version - 1)->version == 0;
}

/* 1: taken. 0: not yet. -1: its answer is wrong now, and will not be right later. */
static int take(table *now, table *readers, const operation *op, const result *r)
{
    slot *a = slot_of(now, op->account, 0);
    if (reads_only(op, r)) {
        if (a->version != r->version)
            return 0;
        if (a->balance != r->balance || r->other_version != 0 || r->other_balance != 0 ||
            (op->kind == TRANSFER && a->balance >= op->amount))
            return -1;
        slot_of(readers, op->account, r->version)->version--;
        return 1;
    }
    if (!changes(now, readers, op->account, r->version))
        return 0;
    if (op->kind == DEPOSIT) {
        if (a->balance + op->amount != r->balance || r->other_version != 0 || r->other_balance != 0)
            return -1;
    } else {
        if (!changes(now, readers, op->other, r->other_version))
            return 0;
        slot *b = slot_of(now, op->other, 0);
        if (a->balance < op->amount || a->balance - op->amount != r->balance ||
            b->balance + op->amount != r->other_balance)
            return -1;
        b->version++;
        b->balance = r->other_balance;
    }
    a->version++;
    a->balance = r->balance;
    return 1;
}

static int complain(const workload *w, uint32_t thread, uint32_t at, const operation *op,
                    const result *r)
{
    static const char *const names[] = {"READ of", "DEPOSIT to", "TRANSFER from"};
    printf("WRONG: thread %u of %u, operation %u, %s account %u, answers version %u balance %u:"
           " no order of the operations explains it\n",
           thread, w->threads, at, names[op->kind], op->account, r->version, r->balance);
    return 1;
}

static int replay_with(table *now, table *readers, const workload *w, const operation *operations,
                       const result *results)
{
    uint32_t at[THREADS_MAX] = {0};
    for (uint32_t i = 0; i < w->threads * w->each; i++)
        if (reads_only(&operations[i], &results[i]))
            slot_of(readers, operations[i].account, results[i].version)->version++;
    for (uint32_t round = 0; round < w->rounds; round++) {
        uint32_t end = (uint32_t)((uint64_t)w->each * (round + 1) / w->rounds), left, moved;
        do {
            left = moved = 0;
            for (uint32_t t = 0; t < w->threads; t++) {
                for (; at[t] < end; at[t]++, moved++) {
                    uint32_t i = t * w->each + at[t];
                    int taken = take(now, readers, &operations[i], &results[i]);
                    if (taken < 0)
                        return complain(w, t, at[t], &operations[i], &results[i]);
                    if (taken == 0)
                        break;
                }
                left += end - at[t];
            }
        } while (left > 0 && moved > 0);
        for (uint32_t t = 0; left > 0 && t < w->threads; t++)
            if (at[t] < end)
                return complain(w, t, at[t], &operations[t * w->each + at[t]],
                                &results[t * w->each + at[t]]);
    }
    return 0;
}

/* 0, or 1 with a line printed about the first thing that no order of the operations explains. */
static int replay(const workload *w, const operation *operations, const result *results)
{
    uint64_t room = 16;
    while (room < 8u * (uint64_t)w->threads * w->each)
        room *= 2;
    table now = {calloc(room, sizeof(slot)), room - 1};
    table readers = {calloc(room, sizeof(slot)), room - 1};
    if (now.slots == NULL || readers.slots == NULL)
        abort();
    int wrong = replay_with(&now, &readers, w, operations, results);
    free(now.slots);
    free(readers.slots);
    return wrong;
}

#endif
