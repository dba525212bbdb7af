/*
 * Measure ledger.c yourself: ./bench_ledger check | time THREADS ACCOUNTS OPERATIONS (of each thread).
 * Pinned, and only for you: the verifier has its own driver, clock and operations.
 */
#define _GNU_SOURCE
#include "replay.h"

#include <string.h>
#include <time.h>

enum { REPETITIONS = 5, HOT = 24 };

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 32) * limit >> 32);
}

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Account numbers look random, and are never 0. A fifth of the uses goes to a few accounts. */
static uint32_t an_account(const workload *w)
{
    uint32_t hot = w->accounts < HOT ? w->accounts : HOT;
    uint32_t index = random_below(random_below(5) == 0 ? hot : w->accounts);
    return (index + 1) * 2654435761u;
}

static void fill(const workload *w, operation *ops)
{
    for (uint32_t i = 0; i < w->threads * w->each; i++) {
        uint32_t luck = random_below(100);
        ops[i] = (operation){an_account(w), 0, luck < 45 ? READ : luck < 78 ? DEPOSIT : TRANSFER, 0};
        if (ops[i].kind != READ)
            ops[i].amount = 1 + random_below(100);
        if (ops[i].kind == TRANSFER) {
            do
                ops[i].other = an_account(w);
            while (ops[i].other == ops[i].account && w->accounts > 1);
            if (w->accounts == 1)
                ops[i] = (operation){ops[i].account, 0, DEPOSIT, ops[i].amount};
        }
    }
}

/* Seconds that one workload took, or a negative number if the answers are wrong. */
static double one(const workload *w)
{
    size_t count = (size_t)w->threads * w->each;
    operation *ops = malloc(count * sizeof *ops);
    result *results = malloc(count * sizeof *results);
    if (ops == NULL || results == NULL)
        abort();
    fill(w, ops);
    memset(results, 0xA5, count * sizeof *results);
    double start = now_seconds();
    int code = drive(w, ops, results);
    double took = now_seconds() - start;
    if (code != 0)
        printf("drive: %d\n", code);
    if (code != 0 || replay(w, ops, results))
        took = -1;
    free(ops);
    free(results);
    return took;
}

static int check(void)
{
    static const workload all[] = {{1, 1, 3000, 500, 0},   {2, 1, 40, 1, 0},
                                   {2, 4, 20000, 2, 20},   {2, 4, 20000, 12, 20},
                                   {2, 8, 20000, 300, 20}, {2, 1, 30000, 30000, 0}};
    int wrong = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && !wrong; i++)
        for (int k = 0; k < REPETITIONS && !wrong; k++)
            wrong = one(&all[i]) < 0;
    puts(wrong ? "check: FAILED" : "check: ok");
    return wrong;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "check") == 0)
        return check();
    if (argc == 5 && strcmp(argv[1], "time") == 0 && atoi(argv[2]) >= 1 &&
        atoi(argv[2]) <= THREADS_MAX && atoi(argv[3]) >= 1 && atoi(argv[4]) >= 1) {
        workload w = {(uint32_t)atoi(argv[2]), 4, (uint32_t)atoi(argv[4]), (uint32_t)atoi(argv[3]), 0};
        double times[REPETITIONS];
        for (int i = 0; i < REPETITIONS; i++)
            if ((times[i] = one(&w)) < 0)
                return 1;
        qsort(times, REPETITIONS, sizeof times[0], compare);
        printf("%s threads, %s accounts, %s operations each: median %.3f ms of %d\n", argv[2],
               argv[3], argv[4], times[REPETITIONS / 2] * 1e3, REPETITIONS);
        return 0;
    }
    fprintf(stderr, "usage: %s check | time THREADS ACCOUNTS OPERATIONS\n", argv[0]);
    return 2;
}
