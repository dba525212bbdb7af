/*
 * Starts the threads and hands out the operations. Pinned: the verifier takes its own copy.
 *
 * With `interrupted`, a timer of each thread's own makes it yield wherever it happens to be, in the
 * middle of an operation too. So threads meet in every state of the ledger even on a single CPU.
 * Where they wait for each other they spin, to go on within nanoseconds of one another: a round has
 * a few operations only, and a thread that is woken comes too late for it.
 */
#define _GNU_SOURCE
#include "drive.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SPINS = 4000 }; /* some 100 us; then whoever is missing may be waiting for our CPU */

typedef struct {
    const workload *w;
    ledger *l; /* NULL: none could be made */
    _Alignas(64) _Atomic uint32_t arrived;
    _Alignas(64) _Atomic uint32_t meetings;
} shared;

typedef struct {
    shared *all;
    const operation *operations;
    result *results;
    int thread;
} worker;

static void wait_for_all(shared *all)
{
    uint32_t meeting = atomic_load(&all->meetings);
    if (atomic_fetch_add(&all->arrived, 1) + 1 == all->w->threads) {
        atomic_store(&all->arrived, 0);
        atomic_store(&all->meetings, meeting + 1);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&all->meetings, memory_order_acquire) == meeting; spins++) {
        if (spins < SPINS)
            __builtin_ia32_pause();
        else
            sched_yield();
    }
}

static void give_up_cpu(int number)
{
    (void)number;
    sched_yield();
}

static int interrupt_every(uint32_t microseconds, timer_t *timer)
{
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGUSR1;
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    struct itimerspec every = {{0, microseconds * 1000L}, {0, microseconds * 1000L}};
    return timer_create(CLOCK_MONOTONIC, &event, timer) == 0 &&
           timer_settime(*timer, 0, &every, NULL) == 0;
}

static void go_through(const worker *me, uint32_t at, uint32_t end)
{
    for (uint32_t count; at < end; at += count) {
        count = end - at < BATCH_MAX ? end - at : BATCH_MAX;
        ledger_run(me->all->l, me->thread, me->operations + at, me->results + at, (int)count);
    }
}

static void *work(void *given)
{
    const worker *me = given;
    shared *all = me->all;
    const workload *w = all->w;
    timer_t timer;
    int interrupted = w->interrupted > 0 && interrupt_every(w->interrupted, &timer);
    for (uint32_t number = 0; number < w->ledgers * w->rounds; number++) {
        if (number % w->rounds == 0) {
            wait_for_all(all);
            if (me->thread == 0) {
                if (number > 0)
                    ledger_free(all->l);
                all->l = ledger_new(w->accounts, (int)w->threads);
            }
        }
        wait_for_all(all);
        if (all->l == NULL)
            break;
        go_through(me, round_begins(w, number), round_begins(w, number + 1));
    }
    if (interrupted)
        timer_delete(timer);
    return NULL;
}

int drive(const workload *w, const operation *operations, result *results)
{
    worker workers[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    shared all = {w, NULL, 0, 0};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = give_up_cpu;
    action.sa_flags = SA_RESTART;
    if (sigaction(SIGUSR1, &action, NULL) != 0)
        return 1;
    for (uint32_t i = 0; i < w->threads; i++) {
        size_t first = (size_t)i * w->each;
        workers[i] = (worker){&all, operations + first, results + first, (int)i};
    }
    for (uint32_t i = 1; i < w->threads; i++)
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            return 3;
    work(&workers[0]); /* this thread is one of them */
    for (uint32_t i = 1; i < w->threads; i++)
        pthread_join(threads[i], NULL);
    if (all.l == NULL)
        return 2;
    ledger_free(all.l);
    return 0;
}
