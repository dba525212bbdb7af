/*
 * What a crash of the process would leave behind. Pinned: the verifier takes its own copy.
 *
 * Everything that SQLite has written so far is in its files, whatever the disk has seen of it: so
 * the files are copied as they stand, and the copy is opened like any database after a crash.
 */
#include "shop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void place(char path[PATH_SIZE], const char *name, const char *suffix)
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, PATH_SIZE, "%s/%s.db%s", folder ? folder : "/tmp", name, suffix);
}

void forget(const char *name)
{
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
    for (int i = 0; i < 4; i++) {
        char path[PATH_SIZE];
        place(path, name, suffixes[i]);
        remove(path);
    }
}

static int copy(const char *suffix)
{
    char from[PATH_SIZE], to[PATH_SIZE], block[1 << 16];
    size_t size;
    place(from, "shop", suffix);
    place(to, "copy", suffix);
    FILE *in = fopen(from, "rb");
    if (in == NULL)
        return 1; /* no journal, perhaps */
    FILE *out = fopen(to, "wb");
    int whole = out != NULL;
    while (whole && (size = fread(block, 1, sizeof block, in)) > 0)
        whole = fwrite(block, 1, size, out) == size;
    fclose(in);
    return (out == NULL || fclose(out) == 0) && whole;
}

static int sound(sqlite3 *db)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL) != SQLITE_OK)
        return 0;
    int ok = sqlite3_step(statement) == SQLITE_ROW &&
             strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    sqlite3_finalize(statement);
    return ok;
}

uint64_t after_crash(void)
{
    char path[PATH_SIZE];
    uint64_t digest = 0;
    sqlite3 *db = NULL;
    forget("copy");
    if (!copy("") || !copy("-journal") || !copy("-wal"))
        return 0;
    place(path, "copy", "");
    if (sqlite3_open(path, &db) == SQLITE_OK && sound(db))
        digest = everything(db);
    sqlite3_close(db);
    forget("copy");
    return digest;
}
