/* The ledger that ledger.c implements. Pinned: the verifier takes its own copy. */
#ifndef LEDGER_H
#define LEDGER_H

#include <stdint.h>

enum { BATCH_MAX = 32, THREADS_MAX = 16 };
enum { READ, DEPOSIT, TRANSFER };

/*
 * An account has a number (any uint32_t but 0), a version and a balance. One that was never touched
 * has version 0 and balance 0; each change of its balance adds one to its version.
 *
 * READ      answers with the account's version and balance.
 * DEPOSIT   adds amount to the account and answers with its new version and balance.
 * TRANSFER  where the account's balance is at least amount: takes amount from it, adds it to the other
 *           account (never the same one) and answers with the new versions and balances of both.
 *           Where it is less: changes nothing, and answers with the account's version and balance.
 */
typedef struct {
    uint32_t account, other; /* other: of a TRANSFER, else 0 */
    uint32_t kind;
    uint32_t amount; /* of a DEPOSIT or TRANSFER, else 0; no balance ever exceeds 2^32 - 1 */
} operation;

/* What is not an answer is 0. */
typedef struct {
    uint32_t version, balance;
    uint32_t other_version, other_balance;
} result;

typedef struct ledger ledger;

/* An empty ledger for at most so many different accounts, or NULL. Called before the threads start. */
ledger *ledger_new(uint32_t most_accounts, int threads);

/*
 * Do one to BATCH_MAX operations, in order. Called by `threads` threads at once, each with its own
 * number (0 to threads - 1). Each operation takes effect at one instant during the call.
 */
void ledger_run(ledger *l, int thread, const operation *operations, result *results, int count);

/* Called when all threads are done. */
void ledger_free(ledger *l);

#endif
