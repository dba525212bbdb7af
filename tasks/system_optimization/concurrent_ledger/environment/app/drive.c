/*
 * Starts the threads and hands out the operations. Pinned: the verifier takes its own copy.
 *
 * With `interrupted`, a timer of each thread's own makes it yield wherever it happens to be, in the
 * middle of an operation too. So threads meet in every state of the ledger even on a single CPU.
 */
#include "drive.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    const workload *w;
    ledger *l;
    const operation *operations;
    result *results;
    int thread;
    pthread_barrier_t *meeting;
} worker;

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

static void *work(void *given)
{
    const worker *me = given;
    const workload *w = me->w;
    timer_t timer;
    int interrupted = w->interrupted > 0 && interrupt_every(w->interrupted, &timer);
    for (uint32_t round = 0; round < w->rounds; round++) {
        uint32_t at = (uint32_t)((uint64_t)w->each * round / w->rounds);
        uint32_t end = (uint32_t)((uint64_t)w->each * (round + 1) / w->rounds);
        pthread_barrier_wait(me->meeting);
        for (uint32_t count; at < end; at += count) {
            count = end - at < BATCH_MAX ? end - at : BATCH_MAX;
            ledger_run(me->l, me->thread, me->operations + at, me->results + at, (int)count);
        }
    }
    if (interrupted)
        timer_delete(timer);
    return NULL;
}

int drive(const workload *w, const operation *operations, result *results)
{
    worker workers[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    pthread_barrier_t meeting;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = give_up_cpu;
    action.sa_flags = SA_RESTART;
    if (sigaction(SIGUSR1, &action, NULL) != 0 ||
        pthread_barrier_init(&meeting, NULL, w->threads) != 0)
        return 1;
    ledger *l = ledger_new(w->accounts, (int)w->threads);
    if (l == NULL)
        return 2;
    for (uint32_t i = 0; i < w->threads; i++) {
        size_t first = (size_t)i * w->each;
        workers[i] = (worker){w, l, operations + first, results + first, (int)i, &meeting};
    }
    for (uint32_t i = 1; i < w->threads; i++)
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            return 3;
    work(&workers[0]); /* this thread is one of them */
    for (uint32_t i = 1; i < w->threads; i++)
        pthread_join(threads[i], NULL);
    ledger_free(l);
    pthread_barrier_destroy(&meeting);
    return 0;
}
