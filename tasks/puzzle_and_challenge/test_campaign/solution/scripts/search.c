/* Makes the staged campaigns: search METHOD settings.txt SEED [ROUNDS [FROM [HOT COLD]]] > campaign.txt
 *
 *   drawn      valid tests drawn at random; each that covers something new is kept
 *   sampled    the next test is the best of ROUNDS drawn at random
 *   built      the next test grows from an uncovered triple, setting by setting, always to the
 *              value that covers most; the best of ROUNDS such tests is kept
 *   shrunk     from FROM: the test with fewest triples of its own is dropped, and single values of
 *              the others are changed to cover them again; ROUNDS attempts, never uphill
 *   annealed   the same with changes for the worse, ever less readily accepted; ROUNDS is in millions of
 *              changes for each test that is dropped, HOT and COLD are the first and last temperature
 *
 * Build: gcc -O2 -o search search.c -lm
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETTINGS = 32, VALUES = 8, TESTS = 2048 };

static int settings, levels[SETTINGS];
static uint8_t never[SETTINGS][VALUES][SETTINGS][VALUES];
static int base[SETTINGS][SETTINGS][SETTINGS]; /* where the triples of three settings begin */
static int triples, wanted;                    /* all, and those that a valid test can hold */
static uint8_t *possible;
static uint16_t *covers; /* in how many tests each triple occurs */
static int where[1 << 18], missing[1 << 18], left; /* the uncovered triples, and their places */
static int parts[1 << 18][6];                      /* of a triple: setting, value, ... */
static uint8_t tests[TESTS][SETTINGS];
static int count;
static uint64_t state;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)((state >> 32) * below >> 32);
}

static double unit(void) { return draw(1u << 30) / (double)(1u << 30); }

static int triple(int a, int x, int b, int y, int c, int z)
{
    int t;
    if (a > b) t = a, a = b, b = t, t = x, x = y, y = t;
    if (b > c) t = b, b = c, c = t, t = y, y = z, z = t;
    if (a > b) t = a, a = b, b = t, t = x, x = y, y = t;
    return base[a][b][c] + (x * levels[b] + y) * levels[c] + z;
}

static void read_settings(const char *name)
{
    FILE *file = fopen(name, "r");
    char line[256];
    if (!file || !fgets(line, sizeof line, file)) exit(1);
    for (char *word = strtok(line + 6, " \n"); word; word = strtok(0, " \n"))
        levels[settings++] = atoi(word);
    int a, v, b, w;
    while (fscanf(file, " never %d %d with %d %d", &a, &v, &b, &w) == 4)
        never[a][v][b][w] = never[b][w][a][v] = 1;
    fclose(file);
    for (int i = 0; i < settings; i++)
        for (int j = i + 1; j < settings; j++)
            for (int k = j + 1; k < settings; k++)
                base[i][j][k] = triples, triples += levels[i] * levels[j] * levels[k];
    possible = calloc(triples, 1);
    covers = calloc(triples, sizeof *covers);
    for (int i = 0; i < settings; i++)
        for (int j = i + 1; j < settings; j++)
            for (int k = j + 1; k < settings; k++)
                for (int x = 0; x < levels[i]; x++)
                    for (int y = 0; y < levels[j]; y++)
                        for (int z = 0; z < levels[k]; z++) {
                            int t = triple(i, x, j, y, k, z), all[] = {i, x, j, y, k, z};
                            memcpy(parts[t], all, sizeof all);
                            if (never[i][x][j][y] || never[i][x][k][z] || never[j][y][k][z]) continue;
                            possible[t] = 1, where[t] = left, missing[left++] = t, wanted++;
                        }
}

static void add(int t)
{
    if (covers[t]++ == 0) { /* swap it out of the list of uncovered ones */
        int last = missing[--left];
        missing[where[t]] = last, where[last] = where[t];
    }
}

static void drop(int t)
{
    if (--covers[t] == 0) where[t] = left, missing[left++] = t;
}

static void each(const uint8_t *test, void (*act)(int))
{
    for (int i = 0; i < settings; i++)
        for (int j = i + 1; j < settings; j++)
            for (int k = j + 1; k < settings; k++) act(triple(i, test[i], j, test[j], k, test[k]));
}

static int fits(const uint8_t *test, int s, int v, int upto, const int *order)
{
    for (int n = 0; n < upto; n++) {
        int o = order ? order[n] : n;
        if (o != s && never[s][v][o][test[o]]) return 0;
    }
    return 1;
}

static void draw_test(uint8_t *test)
{
    for (int s = 0; s < settings; s++)
        do test[s] = draw(levels[s]);
        while (!fits(test, s, test[s], s, 0));
}

static int fresh(const uint8_t *test)
{
    int n = 0;
    for (int i = 0; i < settings; i++)
        for (int j = i + 1; j < settings; j++)
            for (int k = j + 1; k < settings; k++)
                n += covers[triple(i, test[i], j, test[j], k, test[k])] == 0;
    return n;
}

static void keep(const uint8_t *test)
{
    memcpy(tests[count++], test, SETTINGS);
    each(test, add);
}

static void sampled(int rounds)
{
    while (left) {
        uint8_t best[SETTINGS], test[SETTINGS];
        int most = 0;
        for (int r = 0; r < rounds || !most; r++) {
            draw_test(test);
            int n = fresh(test);
            if (n > most) most = n, memcpy(best, test, SETTINGS);
        }
        keep(best);
    }
}

static void build_test(uint8_t *test)
{
    int order[SETTINGS];
    const int *seed = parts[missing[draw(left)]];
    for (int s = 0; s < settings; s++) order[s] = s;
    for (int n = 0; n < 3; n++) {
        int s = seed[2 * n], at = 0;
        test[s] = seed[2 * n + 1];
        while (order[at] != s) at++;
        order[at] = order[n], order[n] = s;
    }
    for (int n = 3; n < settings; n++) {
        int at = n + draw(settings - n), s = order[at], most = -1, ties = 0;
        order[at] = order[n], order[n] = s;
        for (int v = 0; v < levels[s]; v++) {
            int gain = 0;
            if (!fits(test, s, v, n, order)) continue;
            for (int i = 0; i < n; i++)
                for (int j = i + 1; j < n; j++)
                    gain += covers[triple(order[i], test[order[i]], order[j], test[order[j]], s, v)] == 0;
            if (gain > most) most = gain, ties = 0;
            if (gain == most && draw(++ties) == 0) test[s] = v;
        }
    }
}

static void built(int rounds)
{
    while (left) {
        uint8_t best[SETTINGS], test[SETTINGS];
        int most = 0;
        for (int r = 0; r < rounds; r++) {
            build_test(test);
            int n = fresh(test);
            if (n > most) most = n, memcpy(best, test, SETTINGS);
        }
        keep(best);
    }
}

/* How many more triples are uncovered if setting s of a test becomes v. */
static int change(const uint8_t *test, int s, int v)
{
    int more = 0;
    for (int i = 0; i < settings; i++) {
        if (i == s) continue;
        for (int j = i + 1; j < settings; j++) {
            if (j == s) continue;
            int t = triple(i, test[i], j, test[j], s, 0);
            int step = i > s ? levels[i] * levels[j] : j > s ? levels[j] : 1;
            more += (covers[t + step * test[s]] == 1) - (covers[t + step * v] == 0);
        }
    }
    return more;
}

static void set(uint8_t *test, int s, int v)
{
    for (int i = 0; i < settings; i++)
        for (int j = i + 1; j < settings; j++)
            if (i != s && j != s) {
                drop(triple(i, test[i], j, test[j], s, test[s]));
                add(triple(i, test[i], j, test[j], s, v));
            }
    test[s] = v;
}

static void drop_test(void)
{
    int least = 1 << 30, which = 0;
    for (int n = 0; n < count; n++) {
        int own = 0;
        for (int i = 0; i < settings; i++)
            for (int j = i + 1; j < settings; j++)
                for (int k = j + 1; k < settings; k++)
                    own += covers[triple(i, tests[n][i], j, tests[n][j], k, tests[n][k])] == 1;
        if (own < least) least = own, which = n;
    }
    each(tests[which], drop);
    memcpy(tests[which], tests[--count], SETTINGS);
}

/* Changes single values until nothing is uncovered; gives up after `moves`. */
static int repair(long moves, double hot, double cold)
{
    double heat = hot, fall = hot > 0 ? pow(cold / hot, 1.0 / (moves / 1000.0)) : 1;
    for (long move = 0; left && move < moves; move++) {
        if (move % 1000 == 999) heat *= fall;
        /* a value that some uncovered triple wants, in a test that has its other two if there is one */
        const int *aim = parts[missing[draw(left)]];
        int pick = draw(3), s = aim[2 * pick], v = aim[2 * pick + 1];
        int p = (pick + 1) % 3, q = (pick + 2) % 3, n = draw(count);
        for (int tries = 0; tries < count; tries++, n = n + 1 == count ? 0 : n + 1)
            if (tests[n][aim[2 * p]] == aim[2 * p + 1] && tests[n][aim[2 * q]] == aim[2 * q + 1]) break;
        if (draw(8) == 0) n = draw(count);
        if (tests[n][s] == v || !fits(tests[n], s, v, settings, 0)) continue;
        int more = change(tests[n], s, v);
        if (more <= 0 || (heat > 0 && unit() < exp(-more / heat))) set(tests[n], s, v);
    }
    return left == 0;
}

static void shrink(long moves, double hot, double cold)
{
    static uint8_t kept[TESTS][SETTINGS];
    int enough;
    do {
        memcpy(kept, tests, sizeof tests), enough = count;
        drop_test();
        int ok = repair(moves, hot, cold);
        if (ok) fprintf(stderr, "%d\n", count);
        else break;
    } while (1);
    memcpy(tests, kept, sizeof tests), count = enough;
}

static void read_campaign(const char *name)
{
    FILE *file = fopen(name, "r");
    uint8_t test[SETTINGS];
    int v, s = 0;
    if (!file) exit(1);
    while (fscanf(file, "%d", &v) == 1) {
        test[s++] = v;
        if (s == settings) keep(test), s = 0;
    }
    fclose(file);
}

int main(int argc, char **argv)
{
    if (argc < 4) return 2;
    const char *method = argv[1];
    double rounds = argc > 4 ? atof(argv[4]) : 1;
    state = 88172645463325252ull ^ (strtoull(argv[3], 0, 10) * 0x9e3779b97f4a7c15ull);
    for (int i = 0; i < 20; i++) draw(2);
    read_settings(argv[2]);
    if (argc > 5) read_campaign(argv[5]);
    if (!strcmp(method, "drawn")) sampled(1);
    else if (!strcmp(method, "sampled")) sampled((int)rounds);
    else if (!strcmp(method, "built")) built((int)rounds);
    else if (!strcmp(method, "shrunk")) shrink((long)rounds, 0, 0);
    else if (!strcmp(method, "annealed")) shrink((long)(rounds * 1e6), argc > 6 ? atof(argv[6]) : 0.6, argc > 7 ? atof(argv[7]) : 0.15);
    else return 2;
    for (int n = 0; n < count; n++)
        for (int s = 0; s < settings; s++) printf("%d%c", tests[n][s], s + 1 < settings ? ' ' : '\n');
    fprintf(stderr, "tests %d for %d triples\n", count, wanted);
    return 0;
}
