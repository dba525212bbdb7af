/*
 * The verifier's half of a candidate program.
 *
 * Descriptor 3 is a SOCK_SEQPACKET socket to the host, descriptor 4 the output: a memfd of the
 * right size, filled with noise. This program says R (ready), receives G (go) together with a
 * descriptor of the input, calls autolab_solve, gives up its view of the output and says D (done),
 * or F and the code when autolab_solve did not return 0. The host holds the clock, and seals the
 * output before it stops it; nothing here is trusted, and a candidate that replaces this file's
 * part plays by the same rules.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int autolab_solve(const void *input, size_t input_size, void *output, size_t output_size);

enum { CONTROL = 3, OUTPUT = 4 };
enum { BROKEN_OUTPUT = 101, BROKEN_CONTROL = 102, BROKEN_INPUT = 103 };

static unsigned char nothing[1];

static void say(const void *message, size_t size)
{
    if (send(CONTROL, message, size, MSG_NOSIGNAL) < 0)
        _exit(BROKEN_CONTROL);
}

static int receive_input(void)
{
    char go = 0;
    struct iovec part = {.iov_base = &go, .iov_len = 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.space,
        .msg_controllen = sizeof control.space,
    };
    if (recvmsg(CONTROL, &message, MSG_CMSG_CLOEXEC) != 1 || go != 'G')
        _exit(BROKEN_CONTROL);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS)
        _exit(BROKEN_CONTROL);
    int input;
    memcpy(&input, CMSG_DATA(header), sizeof input);
    return input;
}

int main(void)
{
    struct stat found;
    void *output = nothing;
    if (fstat(OUTPUT, &found) != 0)
        _exit(BROKEN_OUTPUT);
    size_t output_size = (size_t)found.st_size;
    if (output_size > 0)
        output = mmap(NULL, output_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, OUTPUT, 0);
    if (output == MAP_FAILED)
        _exit(BROKEN_OUTPUT);

    say("R", 1);
    int input_fd = receive_input();

    const void *input = nothing;
    if (fstat(input_fd, &found) != 0)
        _exit(BROKEN_INPUT);
    size_t input_size = (size_t)found.st_size;
    if (input_size > 0)
        input = mmap(NULL, input_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, input_fd, 0);
    if (input == MAP_FAILED)
        _exit(BROKEN_INPUT);

    int code = autolab_solve(input, input_size, output, output_size);

    if (output_size > 0)
        munmap(output, output_size);
    if (code == 0) {
        say("D", 1);
    } else {
        unsigned char failure[2] = {'F', (unsigned char)code};
        say(failure, sizeof failure);
    }
    for (;;)
        pause();
}
