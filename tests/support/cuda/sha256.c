/* SHA-256 (FIPS 180-4), for the stub to name a cubin by. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURN(x, n) ((x) >> (n) | (x) << (32 - (n)))

static uint32_t root(unsigned prime, int cube) { /* the first 32 bits of a root's fraction */
    long double low = 0, high = 32;
    for (int i = 0; i < 200; i++) {
        long double middle = (low + high) / 2;
        if ((cube ? middle * middle * middle : middle * middle) > prime) high = middle;
        else low = middle;
    }
    return (uint32_t)((low - (unsigned)low) * 4294967296.0L);
}

void autolab_sha256(const unsigned char *data, size_t size, char *hex) {
    uint32_t k[64], h[8];
    for (unsigned n = 2, found = 0; found < 64; n++) {
        unsigned d = 2;
        while (d < n && n % d) d++;
        if (d < n) continue;
        k[found] = root(n, 1);
        if (found < 8) h[found] = root(n, 0);
        found++;
    }
    size_t padded = (size + 72) / 64 * 64;
    unsigned char *text = calloc(1, padded);
    memcpy(text, data, size);
    text[size] = 0x80;
    for (int i = 0; i < 8; i++) text[padded - 1 - i] = (unsigned char)((uint64_t)size * 8 >> 8 * i);
    for (size_t at = 0; at < padded; at += 64) {
        uint32_t w[64], v[8];
        for (int i = 0; i < 16; i++) {
            const unsigned char *p = text + at + 4 * i;
            w[i] = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
        }
        for (int i = 16; i < 64; i++) {
            uint32_t a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + (TURN(a, 7) ^ TURN(a, 18) ^ a >> 3) + w[i - 7]
                 + (TURN(b, 17) ^ TURN(b, 19) ^ b >> 10);
        }
        memcpy(v, h, sizeof v);
        for (int i = 0; i < 64; i++) {
            uint32_t e = v[4], a = v[0];
            uint32_t one = v[7] + (TURN(e, 6) ^ TURN(e, 11) ^ TURN(e, 25))
                         + ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
            uint32_t two = (TURN(a, 2) ^ TURN(a, 13) ^ TURN(a, 22))
                         + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
            memmove(v + 1, v, 7 * sizeof *v);
            v[4] += one;
            v[0] = one + two;
        }
        for (int i = 0; i < 8; i++) h[i] += v[i];
    }
    free(text);
    for (int i = 0; i < 8; i++) sprintf(hex + 8 * i, "%08x", h[i]);
}
