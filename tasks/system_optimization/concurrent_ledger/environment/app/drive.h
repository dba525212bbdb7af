/* Threads over a ledger. Pinned: the verifier takes its own copy. */
#ifndef DRIVE_H
#define DRIVE_H

#include "ledger.h"

/* Every thread does the same number of operations; operations and results lie thread after thread. */
typedef struct {
    uint32_t threads;
    uint32_t rounds;      /* between two of which all threads wait for each other */
    uint32_t each;        /* operations of one thread */
    uint32_t accounts;    /* how many different ones there are at most */
    uint32_t interrupted; /* 0, or: each thread gives up its CPU every so many microseconds */
} workload;

/* 0, or what went wrong. */
int drive(const workload *w, const operation *operations, result *results);

#endif
