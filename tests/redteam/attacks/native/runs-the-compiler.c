/*
 * row: 19
 * expect: zero crashed wrong_output timeout
 * why: Another program takes the candidate's place, with its descriptors.
 */
#include "solve.h"
#include <unistd.h>
void count_equal(const unsigned char *bytes, size_t n, uint32_t *counts)
{
    (void)bytes; (void)n; (void)counts;
    char *const words[] = {"python3", "-c", "import socket; socket.socket(fileno=3).send(b'D')", 0};
    execve("/usr/bin/python3", words, words + 3);
}
