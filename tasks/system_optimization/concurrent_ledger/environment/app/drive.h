/* Threads over a ledger. Pinned: the verifier takes its own copy. */
#ifndef DRIVE_H
#define DRIVE_H

#include "ledger.h"

/*
 * Every thread does the same number of operations; operations and results lie thread after thread.
 * They are spread evenly over the ledgers, one after another, and over the rounds of each.
 */
typedef struct {
    uint32_t threads;
    uint32_t ledgers;     /* so many are made, used and freed, never two at a time */
    uint32_t rounds;      /* of one ledger, between two of which all threads wait for each other */
    uint32_t each;        /* operations of one thread */
    uint32_t accounts;    /* how many different ones there are at most in one ledger */
    uint32_t interrupted; /* 0, or: each thread gives up its CPU every so many microseconds */
} workload;

/* Where a thread's operations of a round begin; they end where the next round begins. */
static inline uint32_t round_begins(const workload *w, uint32_t number)
{
    return (uint32_t)((uint64_t)w->each * number / ((uint64_t)w->ledgers * w->rounds));
}

/* 0, or what went wrong. */
int drive(const workload *w, const operation *operations, result *results);

#endif
