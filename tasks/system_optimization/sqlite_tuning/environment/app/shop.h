/* The shop's database: what is loaded, what is done with it. Pinned: the verifier takes its own copy. */
#ifndef SHOP_H
#define SHOP_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

enum { MESSAGE_SIZE = 240, PATH_SIZE = 256 };

/* How large a shop is, and what is done in it. The input is exactly this, little-endian. */
typedef struct {
    uint64_t seed;
    uint32_t customers, products, purchases; /* rows loaded; every purchase has one to four lines */
    uint32_t days;                           /* the purchases lie in days 0 to days - 1 */
    uint32_t steps;                          /* what customers and clerks do, one after another */
    uint32_t crash_every; /* 0, or: look at what a crash would leave after every so many steps */
} plan;

/* Splitmix64: the whole day follows from the seed. */
static inline uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static inline uint32_t below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)((next(state) >> 32) * limit >> 32);
}

/* rules.c: run a file of tuning; 0, or 1 with the reason in message. */
int apply(sqlite3 *db, const char *name, const char *sql, size_t size, int loaded,
          char message[MESSAGE_SIZE]);

/* day.c: tables and rows; then the steps, each leaving a digest of what it answered. */
int load(sqlite3 *db, const plan *p);
typedef struct day day;
day *day_begin(sqlite3 *db, const plan *p);
int day_step(day *d, uint64_t *digest);
int day_half_purchase(day *d); /* begins a purchase's transaction and leaves it open */
void day_end(day *d);
uint64_t everything(sqlite3 *db); /* a digest of every row; 0: it cannot be read */

/* crash.c: where a file of the shop lies ("" or "-journal" or "-wal"): in $TMPDIR, else /tmp; and what somebody would find who opened the database after this process died here. */
void place(char path[PATH_SIZE], const char *name, const char *suffix);
void forget(const char *name); /* remove a database and all that lies beside it */
uint64_t after_crash(void);

#endif
