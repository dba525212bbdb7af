/*
 * case: 25
 * row: 20
 * expect: honest
 * why: The parent's memory is attached to and read, in every way that there is.
 */
#define _GNU_SOURCE
#include "solve.h"
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};
    if (syscall(SYS_ptrace, 16, getppid(), 0, 0) == 0 || syscall(SYS_ptrace, 0, 0, 0, 0) == 0)
        abort();
    if (process_vm_readv(getppid(), &here, 1, &there, 1, 0) > 0)
        abort();
    if (syscall(SYS_kcmp, getpid(), getppid(), 0, 0, 0) >= 0)
        abort();
    honest(bytes, n, counts);
}
