// The threads of a block as fibers, their barriers, and shared memory.
#include "emulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

extern unsigned char __start_autolab_shared[] __attribute__((weak));
extern unsigned char __stop_autolab_shared[] __attribute__((weak));

namespace autolab {

Thread *self;
dim3 block, grid, shape;

namespace {

constexpr size_t STACK = 96 * 1024;
constexpr uint32_t DYNAMIC = 0x10000000, STATIC = 0x20000000;
constexpr size_t MOST_SHARED = 232448;
constexpr int GROUPS = 256;

Thread threads[1024];
unsigned char *stacks;
int made;
jmp_buf scheduler;
ucontext_t outside;
Group groups[GROUPS];
int used;
int alive, total;
unsigned long progress;
unsigned order;
char error[256];
bool failed;
struct {
    void *function;
    Body body;
    void **arguments;
} work;
alignas(1024) unsigned char dynamic[MOST_SHARED];
size_t dynamic_size;

void wake_if_all_alive_came()
{
    for (int at = 0; at < used; at++) {
        Group &group = groups[at];
        if ((group.key == 1 || group.key == 2) && group.arrived && group.arrived == alive) {
            group.arrived = 0;
            group.generation++;
            progress++;
        }
    }
}

void life()
{
    for (;;) {
        work.body(work.function, work.arguments);
        self->alive = false;
        alive--;
        progress++;
        wake_if_all_alive_came();
        if (!_setjmp(self->context))
            _longjmp(scheduler, 1);
    }
}

// A fiber that stands at the begin of life(), which it enters when it first has its turn.
void make(int number)
{
    static ucontext_t fresh;
    static volatile int which;
    which = number;
    getcontext(&fresh);
    fresh.uc_stack.ss_sp = stacks + (size_t)number * STACK;
    fresh.uc_stack.ss_size = STACK;
    fresh.uc_link = nullptr;
    makecontext(&fresh, (void (*)())(+[] {
        if (!_setjmp(threads[which].context))
            setcontext(&outside);
        life();
    }), 0);
    volatile bool back = false;
    getcontext(&outside);
    if (!back) {
        back = true;
        setcontext(&fresh);
    }
}

void turn(Thread &thread)
{
    self = &thread;
    if (!_setjmp(scheduler))
        _longjmp(thread.context, 1);
}

uint32_t noise_state = 12345;
uint32_t noise()
{
    noise_state ^= noise_state << 13;
    noise_state ^= noise_state >> 17;
    return noise_state ^= noise_state << 5;
}

void poison(unsigned char *from, size_t size)
{
    for (size_t at = 0; at < size; at++)
        from[at] = (unsigned char)noise();
}

void run_block()
{
    poison(__start_autolab_shared, (size_t)(__stop_autolab_shared - __start_autolab_shared));
    poison(dynamic, dynamic_size);
    for (; used; used--)
        groups[used - 1].key = groups[used - 1].arrived = 0;
    alive = total;
    for (int n = 0; n < total; n++)
        threads[n].alive = true;
    int idle = 0;
    while (alive && !failed) {
        unsigned long before = progress;
        unsigned turned = order > 1 ? noise() % (unsigned)total : 0;
        for (int n = 0; n < total && !failed; n++) {
            int at = (int)(((unsigned)n + turned) % (unsigned)total);
            if (order & 1)
                at = total - 1 - at;
            if (threads[at].alive)
                turn(threads[at]);
        }
        idle = progress == before ? idle + 1 : 0;
        if (idle > 1000)
            fail("threads wait for one another for ever");
    }
}

}  // namespace

void fail(const char *why)
{
    if (!failed)
        snprintf(error, sizeof error, "block %u,%u,%u: %s", block.x, block.y, block.z, why);
    failed = true;
    made = 0;  // their stacks are in the middle of something
    if (!self)
        abort();
    if (alive && self->alive)
        _longjmp(scheduler, 1);
    abort();
}

void pause()
{
    if (!_setjmp(self->context))
        _longjmp(scheduler, 1);
}

void meet(uint64_t key, int count, int place, void *mine, Combine combine)
{
    Group *group = nullptr;
    for (int at = 0; at < used && !group; at++)
        if (groups[at].key == key)
            group = &groups[at];
    if (!group) {
        if (used == GROUPS)
            fail("too many different masks and barriers in one block");
        group = &groups[used++];
        group->key = key;
    }
    if (!group->arrived)
        memset(group->of, 0, sizeof group->of);
    group->of[place] = mine;
    progress++;
    unsigned mine_of = group->generation;
    if (++group->arrived == (count ? count : alive)) {
        if (combine)
            combine(group->of, count ? 32 > count ? 32 : count : total);
        group->arrived = 0;
        group->generation++;
        return;
    }
    while (group->generation == mine_of)
        pause();
}

unsigned char *dynamic_shared() { return dynamic; }

uint32_t shared_address(const void *at)
{
    auto *byte = (const unsigned char *)at;
    if (byte >= dynamic && byte <= dynamic + dynamic_size)
        return DYNAMIC + (uint32_t)(byte - dynamic);
    if (byte >= __start_autolab_shared && byte <= __stop_autolab_shared)
        return STATIC + (uint32_t)(byte - __start_autolab_shared);
    fail("an address of shared memory is none");
}

unsigned char *shared_pointer(uint32_t address)
{
    if (address >= STATIC)
        return __start_autolab_shared + (address - STATIC);
    if (address < DYNAMIC || address - DYNAMIC > dynamic_size)
        fail("an address lies outside of the block's shared memory");
    return dynamic + (address - DYNAMIC);
}

void launch(dim3 blocks, dim3 size, size_t shared, void *function, Body body, void **arguments)
{
    failed = false;
    error[0] = 0;
    total = (int)(size.x * size.y * size.z);
    if (total < 1 || total > 1024 || shared > MOST_SHARED) {
        snprintf(error, sizeof error, "%d threads a block, %zu bytes of shared memory", total, shared);
        return;
    }
    if (!stacks)
        stacks = (unsigned char *)mmap(nullptr, 1024 * STACK, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (; made < total; made++)
        make(made);
    for (int n = 0; n < total; n++) {
        unsigned at = (unsigned)n;
        threads[n].number = at;
        threads[n].index = dim3(at % size.x, at / size.x % size.y, at / size.x / size.y);
    }
    grid = blocks;
    shape = size;
    dynamic_size = shared;
    work = {function, body, arguments};
    for (unsigned z = 0; z < blocks.z && !failed; z++)
        for (unsigned y = 0; y < blocks.y && !failed; y++)
            for (unsigned x = 0; x < blocks.x && !failed; x++) {
                block = dim3(x, y, z);
                run_block();
            }
}

}  // namespace autolab

// What went wrong in the last launch, or an empty text.
extern "C" const char *autolab_host_error() { return autolab::error; }

// Which thread goes first: 0 ascending, 1 descending, 2 and 3 the same from a random thread on.
extern "C" void autolab_host_order(unsigned order) { autolab::order = order; }
