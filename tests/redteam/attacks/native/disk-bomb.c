/*
 * case: 29
 * row: 24
 * expect: zero out_of_memory crashed; honest
 * slow: yes
 * why: Every folder that can be written is filled, with bytes and then with names.
 */
#include "solve.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
static char block[1 << 20];
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    char name[64];
    for (int i = 0; i < 3; i++) {
        static const char *const places[] = {"/tmp", "/dev/shm", "/home/agent"};
        snprintf(name, sizeof name, "%s/full", places[i]);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        while (fd >= 0 && write(fd, block, sizeof block) > 0) {
        }
        for (int k = 0; k < 20000; k++) {
            snprintf(name, sizeof name, "%s/%d", places[i], k);
            int one = open(name, O_CREAT | O_WRONLY, 0600);
            if (one < 0)
                break;
            close(one);
        }
    }
    honest(bytes, n, counts);
}
