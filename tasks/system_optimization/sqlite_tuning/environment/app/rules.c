/* What a tuning file may say. Pinned: the verifier takes its own copy. allowed.txt has it in words. */
#include "shop.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { STATEMENTS_MAX = 64 };

static const char *const PRAGMAS[] = {
    "analysis_limit", "auto_vacuum",   "automatic_index",  "cache_size",  "cache_spill",
    "journal_mode",   "locking_mode",  "journal_size_limit", "mmap_size", "optimize",
    "page_size",      "secure_delete", "synchronous",      "temp_store",  "wal_autocheckpoint",
    NULL};
static const char *const FUNCTIONS[] = {"abs",   "coalesce", "ifnull", "instr", "length", "lower",
                                        "ltrim", "nullif",   "rtrim",  "substr", "trim", "upper",
                                        NULL};

typedef struct {
    char why[120];
} refusal;

static int listed(const char *const *list, const char *word)
{
    for (; word != NULL && *list != NULL; list++)
        if (strcasecmp(*list, word) == 0)
            return 1;
    return 0;
}

static int refuse(refusal *r, const char *what, const char *name)
{
    if (r->why[0] == 0)
        snprintf(r->why, sizeof r->why, "%s %s is not allowed", what, name ? name : "?");
    return SQLITE_DENY;
}

/* The tables that SQLite keeps for itself; it writes them for CREATE INDEX and ANALYZE. */
static int internal(const char *table)
{
    return table != NULL && strncasecmp(table, "sqlite_", 7) == 0;
}

static int permit(void *data, int action, const char *first, const char *second,
                  const char *database, const char *inner)
{
    (void)inner;
    refusal *r = data;
    if (database != NULL && strcasecmp(database, "main") != 0)
        return refuse(r, "database", database);
    switch (action) {
    case SQLITE_PRAGMA:
        return listed(PRAGMAS, first) ? SQLITE_OK : refuse(r, "PRAGMA", first);
    case SQLITE_FUNCTION:
        return listed(FUNCTIONS, second) ? SQLITE_OK : refuse(r, "function", second);
    case SQLITE_CREATE_INDEX:
    case SQLITE_ANALYZE:
    case SQLITE_REINDEX:
    case SQLITE_READ:
    case SQLITE_SELECT:
        return SQLITE_OK;
    case SQLITE_CREATE_TABLE:
        return internal(first) ? SQLITE_OK : refuse(r, "CREATE TABLE", first);
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        return internal(first) ? SQLITE_OK : refuse(r, "changing table", first);
    default:
        return refuse(r, "this action on", first);
    }
}

static const char *skip_space(const char *at)
{
    for (;;) {
        while (isspace((unsigned char)*at) || *at == ';')
            at++;
        if (strncmp(at, "--", 2) == 0) {
            at += strcspn(at, "\n");
        } else if (strncmp(at, "/*", 2) == 0) {
            const char *end = strstr(at + 2, "*/");
            at = end ? end + 2 : at + strlen(at);
        } else {
            return at;
        }
    }
}

/* If the next word is this one: what follows it. */
static const char *after_word(const char *at, const char *word)
{
    size_t size = strlen(word);
    at = skip_space(at);
    if (strncasecmp(at, word, size) != 0 || isalnum((unsigned char)at[size]) || at[size] == '_')
        return NULL;
    return at + size;
}

/* The authorizer sees what a statement does; this sees which statement it is. */
static int well_formed(const char *at, int loaded)
{
    if (after_word(at, "PRAGMA") != NULL)
        return 1;
    const char *rest = after_word(at, "CREATE");
    const char *unique = rest ? after_word(rest, "UNIQUE") : NULL;
    if (unique != NULL)
        rest = unique;
    return loaded && (after_word(at, "ANALYZE") != NULL ||
                      (rest != NULL && after_word(rest, "INDEX") != NULL));
}

static int run(sqlite3 *db, sqlite3_stmt *statement)
{
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        continue;
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(db);
}

int apply(sqlite3 *db, const char *name, const char *sql, size_t size, int loaded,
          char message[MESSAGE_SIZE])
{
    refusal r = {{0}};
    const char *at = sql;
    int number = 0, code = SQLITE_OK;
    if (strlen(sql) != size) {
        snprintf(message, MESSAGE_SIZE, "%s holds a zero byte", name);
        return 1;
    }
    sqlite3_set_authorizer(db, permit, &r);
    while (*(at = skip_space(at)) != 0) {
        sqlite3_stmt *statement = NULL;
        if (++number > STATEMENTS_MAX) {
            snprintf(r.why, sizeof r.why, "more than %d statements", STATEMENTS_MAX);
        } else if (!well_formed(at, loaded)) {
            snprintf(r.why, sizeof r.why, "only PRAGMA%s may stand here",
                     loaded ? ", CREATE INDEX and ANALYZE" : "");
        } else if ((code = sqlite3_prepare_v2(db, at, -1, &statement, &at)) == SQLITE_OK) {
            code = run(db, statement);
        }
        if (r.why[0] != 0 || code != SQLITE_OK) {
            snprintf(message, MESSAGE_SIZE, "%s, statement %d: %s", name, number,
                     r.why[0] ? r.why : sqlite3_errmsg(db));
            break;
        }
    }
    sqlite3_set_authorizer(db, NULL, NULL);
    if (message[0] == 0 && !sqlite3_get_autocommit(db))
        snprintf(message, MESSAGE_SIZE, "%s leaves a transaction open", name);
    return message[0] != 0;
}
