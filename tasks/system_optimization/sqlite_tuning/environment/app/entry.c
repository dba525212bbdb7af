/* From the verifier's byte blobs to a day in the shop. Pinned: the verifier takes its own copy. */
#include "shop.h"

#include <string.h>

/* The tuning is part of the program: nothing is read from anywhere at run time. */
#define HOLD(name, file)                                                                          \
    __asm__(".section .rodata\n" #name ":\n.incbin \"" file "\"\n" #name "_end:\n.byte 0\n"      \
            ".previous");                                                                         \
    extern const char name[], name##_end[];
HOLD(open_sql, "open.sql")
HOLD(loaded_sql, "loaded.sql")

/*
 * Output: a status (1: the tuning was refused, 2: a statement failed, 3: a crash lost or invented
 * something) and words on it; a digest for each step; a digest of every row at the end.
 */
typedef struct {
    uint32_t status;
    char message[MESSAGE_SIZE];
    uint32_t at; /* the step of a failure */
} head;

static int crash_check(sqlite3 *db, day *d, uint32_t step, head *h)
{
    uint64_t committed = everything(db);
    if (after_crash() != committed) {
        strcpy(h->message, "a crash between two transactions loses committed rows");
    } else {
        int begun = day_half_purchase(d) && sqlite3_db_cacheflush(db) == SQLITE_OK;
        if (!begun || after_crash() != committed)
            strcpy(h->message, "a crash within a transaction leaves a part of it behind");
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        if (h->message[0] == 0 && everything(db) != committed)
            strcpy(h->message, "ROLLBACK does not bring the rows back");
    }
    if (h->message[0] == 0)
        return 0;
    h->at = step;
    return 3;
}

static int live(sqlite3 *db, const plan *p, head *h, uint64_t *digests)
{
    day *d = day_begin(db, p);
    int status = d == NULL ? 2 : 0;
    for (uint32_t step = 0; status == 0 && step < p->steps; step++) {
        if (!day_step(d, &digests[step])) {
            strncpy(h->message, sqlite3_errmsg(db), MESSAGE_SIZE - 1);
            h->at = step;
            status = 2;
        } else if (p->crash_every > 0 && step % p->crash_every == 0) {
            status = crash_check(db, d, step, h);
        }
    }
    day_end(d);
    if (status == 0)
        digests[p->steps] = everything(db);
    return status;
}

int autolab_solve(const void *input, size_t input_size, void *output, size_t output_size)
{
    plan p;
    head h;
    char path[PATH_SIZE];
    sqlite3 *db = NULL;
    if (input_size != sizeof p)
        return 1;
    memcpy(&p, input, sizeof p);
    if (output_size != sizeof h + 8 * ((size_t)p.steps + 1))
        return 2;
    memset(output, 0, output_size);
    memset(&h, 0, sizeof h);
    forget("shop");
    place(path, "shop", "");
    if (sqlite3_open(path, &db) != SQLITE_OK)
        return 3;
    if (apply(db, "open.sql", open_sql, (size_t)(open_sql_end - open_sql), 0, h.message))
        h.status = 1;
    else if (!load(db, &p))
        h.status = 2;
    else if (apply(db, "loaded.sql", loaded_sql, (size_t)(loaded_sql_end - loaded_sql), 1,
                   h.message))
        h.status = 1;
    else
        h.status = (uint32_t)live(db, &p, &h, (uint64_t *)((char *)output + sizeof h));
    if (h.status == 2 && h.message[0] == 0)
        strncpy(h.message, sqlite3_errmsg(db), MESSAGE_SIZE - 1);
    if (sqlite3_close(db) != SQLITE_OK)
        return 4;
    memcpy(output, &h, sizeof h);
    return 0;
}
