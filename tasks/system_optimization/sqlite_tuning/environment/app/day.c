/* The shop's tables, its data, and what happens there in a day. Pinned: the verifier takes its own copy. */
#include "shop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CATEGORIES = 20, REGIONS = 8, LINES_MAX = 4 };

static const char SCHEMA[] =
    "CREATE TABLE customer (id INTEGER PRIMARY KEY, email TEXT NOT NULL, region INTEGER NOT NULL,"
    " credit INTEGER NOT NULL, note TEXT NOT NULL);"
    "CREATE TABLE product (id INTEGER PRIMARY KEY, category INTEGER NOT NULL, price INTEGER NOT NULL,"
    " stock INTEGER NOT NULL, description TEXT NOT NULL);"
    "CREATE TABLE purchase (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, day INTEGER NOT NULL,"
    " status TEXT NOT NULL, total INTEGER NOT NULL, address TEXT NOT NULL);"
    "CREATE TABLE line (id INTEGER PRIMARY KEY, purchase INTEGER NOT NULL, product INTEGER NOT NULL,"
    " quantity INTEGER NOT NULL, price INTEGER NOT NULL, remark TEXT NOT NULL);";

/* What is asked. Every answer has one order only, and every sum is one of integers. */
typedef enum {
    LOGIN, HISTORY, TO_PACK, PACK, RETURN, STOCK, SHORTAGE, BOUGHT_WITH, REVENUE, BESTSELLERS,
    NEW_PURCHASE, NEW_LINE, TAKE, CHARGE, BEGIN, COMMIT, QUERIES
} query;

static const char *const SQL[QUERIES] = {
    [LOGIN] = "SELECT id, credit FROM customer WHERE lower(email) = ?1 ORDER BY id",
    [HISTORY] = "SELECT p.id, p.day, p.status, sum(l.quantity * l.price) FROM purchase p"
                " JOIN line l ON l.purchase = p.id WHERE p.customer = ?1"
                " GROUP BY p.id ORDER BY p.day DESC, p.id DESC LIMIT 10",
    [TO_PACK] = "SELECT id, customer, day FROM purchase WHERE status = 'open'"
                " ORDER BY day, id LIMIT 3",
    [PACK] = "UPDATE purchase SET status = 'sent' WHERE id = ?1",
    [RETURN] = "UPDATE purchase SET status = 'returned' WHERE id = ?1",
    [STOCK] = "SELECT stock, price FROM product WHERE id = ?1",
    [SHORTAGE] = "SELECT id, stock FROM product WHERE category = ?1 AND stock < 20"
                 " ORDER BY stock, id LIMIT 5",
    [BOUGHT_WITH] = "SELECT b.product, count(*) FROM line a JOIN line b ON b.purchase = a.purchase"
                    " AND b.product <> a.product WHERE a.product = ?1"
                    " GROUP BY b.product ORDER BY 2 DESC, 1 LIMIT 5",
    [REVENUE] = "SELECT c.region, count(*), sum(p.total) FROM purchase p JOIN customer c"
                " ON c.id = p.customer WHERE p.day BETWEEN ?1 AND ?1 + 6 GROUP BY c.region ORDER BY 1",
    [BESTSELLERS] = "SELECT l.product, sum(l.quantity), sum(l.quantity * l.price) FROM purchase p"
                    " JOIN line l ON l.purchase = p.id WHERE p.day BETWEEN ?1 AND ?1 + 1"
                    " AND p.status <> 'returned' GROUP BY l.product ORDER BY 3 DESC, 1 LIMIT 10",
    [NEW_PURCHASE] = "INSERT INTO purchase VALUES (?1, ?2, ?3, ?6, ?4, ?5)",
    [NEW_LINE] = "INSERT INTO line VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [TAKE] = "UPDATE product SET stock = CASE WHEN stock < ?2 THEN stock + 200 - ?2"
             " ELSE stock - ?2 END WHERE id = ?1",
    [CHARGE] = "UPDATE customer SET credit = credit - ?2 WHERE id = ?1",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
};

struct day {
    plan p;
    uint64_t random;
    sqlite3_int64 purchases, lines; /* ids used so far */
    sqlite3_stmt *prepared[QUERIES];
};

static const char *filler(uint64_t *random, char text[64])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789";
    uint32_t size = 24 + below(random, 32);
    for (uint32_t i = 0; i < size; i += 8) {
        uint64_t bits = next(random);
        for (int k = 0; k < 8; k++)
            text[i + (uint32_t)k] = letters[bits >> 8 * k & 63];
    }
    text[size] = 0;
    return text;
}

static const char *address_of(uint32_t customer, char text[64])
{
    snprintf(text, 64, "Customer.%uMail%u.Example", customer, customer % 7);
    return text;
}

/* Some customers and products are much more in demand than others. */
static uint32_t popular(uint64_t *random, uint32_t limit)
{
    uint32_t a = below(random, limit), b = below(random, limit), c = below(random, limit);
    uint32_t least = a < b ? a : b;
    return 1 + (least < c ? least : c);
}

static void add(uint64_t *digest, const void *data, size_t size)
{
    const char *bytes = data;
    for (size_t part; size > 0; size -= part, bytes += part) {
        uint64_t word = 0;
        part = size < 8 ? size : 8;
        memcpy(&word, bytes, part);
        *digest = (*digest ^ word ^ part << 56) * 0x9E3779B97F4A7C15u;
        *digest ^= *digest >> 32;
    }
}

/* One row into a digest: the type and the text or number of each column. */
static void add_row(uint64_t *digest, sqlite3_stmt *row)
{
    int columns = sqlite3_column_count(row);
    for (int i = 0; i < columns; i++) {
        int type = sqlite3_column_type(row, i);
        add(digest, &type, 1);
        if (type == SQLITE_INTEGER) {
            sqlite3_int64 value = sqlite3_column_int64(row, i);
            add(digest, &value, sizeof value);
        } else {
            const void *text = sqlite3_column_blob(row, i);
            add(digest, text, (size_t)sqlite3_column_bytes(row, i));
        }
    }
}

static int done(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE;
}

static void bind(sqlite3_stmt *statement, int at, sqlite3_int64 value)
{
    sqlite3_bind_int64(statement, at, value);
}

static int change(day *d, query q, sqlite3_int64 a, sqlite3_int64 b)
{
    bind(d->prepared[q], 1, a);
    if (sqlite3_bind_parameter_count(d->prepared[q]) > 1)
        bind(d->prepared[q], 2, b);
    return done(d->prepared[q]);
}

/* Every row of an answer into the digest; the first column of the first row into *first. */
static int ask(day *d, query q, uint64_t *digest, sqlite3_int64 *first)
{
    sqlite3_stmt *statement = d->prepared[q];
    int code, rows = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (rows++ == 0 && first != NULL)
            *first = sqlite3_column_int64(statement, 0);
        add_row(digest, statement);
    }
    sqlite3_reset(statement);
    return code == SQLITE_DONE;
}

static int ask_for(day *d, query q, sqlite3_int64 value, uint64_t *digest)
{
    bind(d->prepared[q], 1, value);
    return ask(d, q, digest, NULL);
}

/* A purchase and its lines, as they are loaded and as they are made in the day. */
static int enter(day *d, uint32_t customer, int on_day, const char *status, int live)
{
    char text[64];
    uint64_t *random = &d->random;
    uint32_t count = 1 + below(random, LINES_MAX);
    sqlite3_int64 total = 0, id = ++d->purchases;
    int ok = 1;
    for (uint32_t i = 0; ok && i < count; i++) {
        uint32_t product = popular(random, d->p.products), quantity = 1 + below(random, 3);
        sqlite3_int64 price = 100 + (product * 37 + i) % 900;
        total += price * quantity;
        sqlite3_stmt *line = d->prepared[NEW_LINE];
        bind(line, 1, ++d->lines);
        bind(line, 2, id);
        bind(line, 3, product);
        bind(line, 4, quantity);
        bind(line, 5, price);
        sqlite3_bind_text(line, 6, filler(random, text), -1, SQLITE_STATIC);
        ok = done(line) && (!live || change(d, TAKE, product, quantity));
    }
    sqlite3_stmt *purchase = d->prepared[NEW_PURCHASE];
    bind(purchase, 1, id);
    bind(purchase, 2, customer);
    bind(purchase, 3, on_day);
    bind(purchase, 4, total);
    sqlite3_bind_text(purchase, 5, filler(random, text), -1, SQLITE_STATIC);
    sqlite3_bind_text(purchase, 6, status, -1, SQLITE_STATIC);
    return ok && done(purchase) && (!live || change(d, CHARGE, customer, total));
}

static int prepare(day *d, sqlite3 *db)
{
    for (int q = 0; q < QUERIES; q++)
        if (sqlite3_prepare_v3(db, SQL[q], -1, SQLITE_PREPARE_PERSISTENT, &d->prepared[q], NULL) !=
            SQLITE_OK)
            return 0;
    return 1;
}

static int load_people(sqlite3 *db, const plan *p, uint64_t *random)
{
    char text[64], mail[64];
    sqlite3_stmt *customer = NULL, *product = NULL;
    int ok = sqlite3_prepare_v2(db, "INSERT INTO customer VALUES (?, ?, ?, ?, ?)", -1, &customer,
                                NULL) == SQLITE_OK &&
             sqlite3_prepare_v2(db, "INSERT INTO product VALUES (?, ?, ?, ?, ?)", -1, &product,
                                NULL) == SQLITE_OK;
    for (uint32_t id = 1; ok && id <= p->customers; id++) {
        bind(customer, 1, id);
        sqlite3_bind_text(customer, 2, address_of(id, mail), -1, SQLITE_STATIC);
        bind(customer, 3, below(random, REGIONS));
        bind(customer, 4, 10000 + below(random, 90000));
        sqlite3_bind_text(customer, 5, filler(random, text), -1, SQLITE_STATIC);
        ok = done(customer);
    }
    for (uint32_t id = 1; ok && id <= p->products; id++) {
        bind(product, 1, id);
        bind(product, 2, below(random, CATEGORIES));
        bind(product, 3, 100 + id * 37 % 900);
        bind(product, 4, below(random, 200));
        sqlite3_bind_text(product, 5, filler(random, text), -1, SQLITE_STATIC);
        ok = done(product);
    }
    sqlite3_finalize(customer);
    sqlite3_finalize(product);
    return ok;
}

int load(sqlite3 *db, const plan *p)
{
    day d = {.p = *p, .random = p->seed};
    int ok = sqlite3_exec(db, SCHEMA, NULL, NULL, NULL) == SQLITE_OK && prepare(&d, db) &&
             done(d.prepared[BEGIN]) && load_people(db, p, &d.random);
    for (uint32_t i = 0; ok && i < p->purchases; i++) {
        uint32_t luck = below(&d.random, 1000);
        int on_day = (int)((uint64_t)i * p->days / p->purchases);
        ok = enter(&d, popular(&d.random, p->customers), on_day,
                   luck < 15 ? "open" : luck < 60 ? "returned" : "sent", 0);
    }
    ok = ok && done(d.prepared[COMMIT]);
    for (int q = 0; q < QUERIES; q++)
        sqlite3_finalize(d.prepared[q]);
    return ok;
}

day *day_begin(sqlite3 *db, const plan *p)
{
    day *d = calloc(1, sizeof *d);
    sqlite3_stmt *lines = NULL;
    if (d == NULL || !prepare(d, db) ||
        sqlite3_prepare_v2(db, "SELECT max(id) FROM line", -1, &lines, NULL) != SQLITE_OK ||
        sqlite3_step(lines) != SQLITE_ROW) {
        day_end(d);
        return NULL;
    }
    d->p = *p;
    d->random = ~p->seed;
    d->purchases = p->purchases;
    d->lines = sqlite3_column_int64(lines, 0);
    sqlite3_finalize(lines);
    return d;
}

void day_end(day *d)
{
    for (int q = 0; d != NULL && q < QUERIES; q++)
        sqlite3_finalize(d->prepared[q]);
    free(d);
}

static int buy(day *d)
{
    uint32_t customer = popular(&d->random, d->p.customers);
    return done(d->prepared[BEGIN]) && enter(d, customer, (int)d->p.days, "open", 1) &&
           done(d->prepared[COMMIT]);
}

int day_half_purchase(day *d)
{
    day before = *d;
    int ok = done(d->prepared[BEGIN]) && enter(d, 1, (int)d->p.days, "open", 1);
    *d = before;
    return ok;
}

static int pack(day *d, uint64_t *digest)
{
    sqlite3_int64 id = 0;
    return ask(d, TO_PACK, digest, &id) && change(d, PACK, id, 0);
}

static int login(day *d, uint64_t *digest)
{
    char mail[64];
    address_of(popular(&d->random, d->p.customers), mail);
    for (char *at = mail; *at != 0; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at + 'a' - 'A');
    sqlite3_bind_text(d->prepared[LOGIN], 1, mail, -1, SQLITE_STATIC);
    return ask(d, LOGIN, digest, NULL);
}

int day_step(day *d, uint64_t *digest)
{
    uint32_t kind = below(&d->random, 1000), days = d->p.days;
    *digest = 0xCBF29CE484222325u ^ kind;
    if (kind < 280)
        return buy(d);
    if (kind < 430)
        return pack(d, digest);
    if (kind < 450)
        return change(d, RETURN, 1 + below(&d->random, (uint32_t)d->purchases), 0);
    if (kind < 650)
        return login(d, digest);
    if (kind < 800)
        return ask_for(d, HISTORY, popular(&d->random, d->p.customers), digest);
    if (kind < 850)
        return ask_for(d, STOCK, popular(&d->random, d->p.products), digest);
    if (kind < 900)
        return ask_for(d, SHORTAGE, below(&d->random, CATEGORIES), digest);
    if (kind < 940)
        return ask_for(d, BOUGHT_WITH, 1 + below(&d->random, d->p.products), digest);
    if (kind < 970)
        return ask_for(d, REVENUE, below(&d->random, days), digest);
    return ask_for(d, BESTSELLERS, below(&d->random, days), digest);
}

uint64_t everything(sqlite3 *db)
{
    static const char *const tables[] = {"customer", "product", "purchase", "line"};
    uint64_t digest = 0xCBF29CE484222325u;
    for (int i = 0; i < 4; i++) {
        char sql[64];
        sqlite3_stmt *statement;
        int code;
        snprintf(sql, sizeof sql, "SELECT * FROM %s NOT INDEXED ORDER BY id", tables[i]);
        if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
            return 0;
        while ((code = sqlite3_step(statement)) == SQLITE_ROW)
            add_row(&digest, statement);
        sqlite3_finalize(statement);
        if (code != SQLITE_DONE)
            return 0;
    }
    return digest;
}
