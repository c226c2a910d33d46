#include "store/store_letters.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/store_internal.h"

/* AUTOINCREMENT: an id that somebody noted must not become another letter's. Large columns stand last. */
const char store_letters_schema[] =
    "CREATE TABLE dead_letters (id INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, source TEXT NOT NULL,"
    " source_name TEXT NOT NULL, place INTEGER NOT NULL, time INTEGER NOT NULL, code TEXT NOT NULL, says TEXT NOT NULL,"
    " refused_at INTEGER NOT NULL, tried_at INTEGER NOT NULL, attempts INTEGER NOT NULL, next_try INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, size INTEGER NOT NULL, labels TEXT NOT NULL, line BLOB NOT NULL,"
    " UNIQUE (sink, source, place, time));"
    "CREATE INDEX dead_letters_due ON dead_letters (next_try) WHERE next_try > 0;";

enum {
    PUT,
    REFUSED_AGAIN,
    RETRY,
    DELETE,
    SCHEDULE,
    PURGE_LEDGER,
    EACH,
    EACH_WHOLE,
    DUE,
    SUMS,
    LAST,
    N_STATEMENTS
};
static_assert((int)N_STATEMENTS == (int)STORE_LETTER_STATEMENTS, "store_internal.h makes room for them");

#define COLUMNS \
    "id, sink, source, source_name, place, time, code, says, refused_at, tried_at, attempts, next_try, bytes, size"
#define SELECTED                                                                                          \
    " FROM dead_letters WHERE id > ?1 AND id <= ?2 AND (?3 IS NULL OR sink = ?3) AND (?4 IS NULL OR code = ?4)" \
    " AND refused_at < ?5 ORDER BY id LIMIT ?6"

const char *const store_letters_texts[STORE_LETTER_STATEMENTS] = {
    [PUT] = "INSERT INTO dead_letters (sink, source, source_name, place, time, code, says, refused_at, tried_at, attempts,"
            " next_try, bytes, size, labels, line) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
            " ON CONFLICT DO NOTHING",
    [REFUSED_AGAIN] = "UPDATE dead_letters SET code = ?5, says = ?6, tried_at = ?7, attempts = attempts + ?8"
                      " WHERE sink = ?1 AND source = ?2 AND place = ?3 AND time = ?4",
    [RETRY] = "UPDATE dead_letters SET code = ?2, says = ?3, tried_at = ?4, next_try = ?5, attempts = attempts + 1"
              " WHERE id = ?1",
    [DELETE] = "DELETE FROM dead_letters WHERE id = ?1",
    [SCHEDULE] = "UPDATE dead_letters SET next_try = ?2 WHERE next_try = 0 AND attempts < ?1",
    [PURGE_LEDGER] = "UPDATE ledger SET dead_records = max(0, dead_records - ?3), dead_bytes = max(0, dead_bytes - ?4),"
                     " purged_records = purged_records + min(dead_records, ?3),"
                     " purged_bytes = purged_bytes + min(dead_bytes, ?4) WHERE source = ?1 AND sink = ?2",
    [EACH] = "SELECT " COLUMNS SELECTED,
    [EACH_WHOLE] = "SELECT " COLUMNS ", labels, line" SELECTED,
    [DUE] = "SELECT " COLUMNS " FROM dead_letters WHERE next_try > 0 AND next_try <= ?1 AND sink = ?2"
            " ORDER BY next_try LIMIT ?3",
    /* As they lie: sorting them for a GROUP BY would take four times as long. */
    [SUMS] = "SELECT sink, source, source_name, code, bytes, size FROM dead_letters NOT INDEXED",
    [LAST] = "SELECT seq FROM sqlite_sequence WHERE name = 'dead_letters'",
};

uint64_t store_letter_size(const struct store_letter *l)
{
    return l->line_n + (l->labels ? strlen(l->labels) : 0) + STORE_LETTER_OVERHEAD;
}

static enum statement at(int which)
{
    return (enum statement)(ST_LETTERS + which);
}

/* ---- writing ---- */

static int put_again(struct store *s, const struct store_letter *row)
{
    sqlite3_stmt *st = store_writable(s, at(REFUSED_AGAIN));
    if (!st)
        return s->failed;
    store_bind_text(st, 1, row->sink);
    store_bind_text(st, 2, row->source_key);
    sqlite3_bind_int64(st, 3, (int64_t)row->place);
    sqlite3_bind_int64(st, 4, row->time);
    store_bind_text(st, 5, row->code);
    store_bind_text(st, 6, row->says);
    sqlite3_bind_int64(st, 7, row->tried_at);
    sqlite3_bind_int64(st, 8, (int64_t)row->attempts);
    return store_done(s, sqlite3_step(st), st, "write to");
}

int store_put_letter(struct store *s, const struct store_letter *row, bool *again)
{
    *again = false;
    sqlite3_stmt *st = store_writable(s, at(PUT));
    if (!st)
        return s->failed;
    store_bind_text(st, 1, row->sink);
    store_bind_text(st, 2, row->source_key);
    store_bind_text(st, 3, row->source_name);
    sqlite3_bind_int64(st, 4, (int64_t)row->place);
    sqlite3_bind_int64(st, 5, row->time);
    store_bind_text(st, 6, row->code);
    store_bind_text(st, 7, row->says);
    sqlite3_bind_int64(st, 8, row->refused_at);
    sqlite3_bind_int64(st, 9, row->tried_at);
    sqlite3_bind_int64(st, 10, (int64_t)row->attempts);
    sqlite3_bind_int64(st, 11, row->next_try);
    sqlite3_bind_int64(st, 12, (int64_t)row->line_n);
    sqlite3_bind_int64(st, 13, (int64_t)store_letter_size(row));
    store_bind_text(st, 14, row->labels);
    sqlite3_bind_blob64(st, 15, row->line, row->line_n, SQLITE_STATIC);
    int r = store_done(s, sqlite3_step(st), st, "write to");
    if (r < 0)
        return r;
    *again = sqlite3_changes(s->db) == 0;
    return *again ? put_again(s, row) : 0;
}

int store_retry_letter(struct store *s, int64_t id, const char *code, const char *says, int64_t when, int64_t next_try,
                       bool *found)
{
    sqlite3_stmt *st = store_writable(s, at(RETRY));
    if (!st)
        return s->failed;
    sqlite3_bind_int64(st, 1, id);
    store_bind_text(st, 2, code);
    store_bind_text(st, 3, says);
    sqlite3_bind_int64(st, 4, when);
    sqlite3_bind_int64(st, 5, next_try);
    int r = store_done(s, sqlite3_step(st), st, "write to");
    *found = r == 0 && sqlite3_changes(s->db) > 0;
    return r;
}

int store_delete_letter(struct store *s, int64_t id)
{
    sqlite3_stmt *st = store_writable(s, at(DELETE));
    if (!st)
        return s->failed;
    sqlite3_bind_int64(st, 1, id);
    return store_done(s, sqlite3_step(st), st, "delete from");
}

int store_schedule_letters(struct store *s, uint64_t attempts, int64_t next_try)
{
    sqlite3_stmt *st = store_writable(s, at(SCHEDULE));
    if (!st)
        return s->failed;
    sqlite3_bind_int64(st, 1, attempts > INT64_MAX ? INT64_MAX : (int64_t)attempts);
    sqlite3_bind_int64(st, 2, next_try);
    return store_done(s, sqlite3_step(st), st, "write to");
}

int store_purge_ledger(struct store *s, const char *source_key, const char *sink, uint64_t records, uint64_t bytes)
{
    sqlite3_stmt *st = store_writable(s, at(PURGE_LEDGER));
    if (!st)
        return s->failed;
    store_bind_text(st, 1, source_key);
    store_bind_text(st, 2, sink);
    sqlite3_bind_int64(st, 3, (int64_t)records);
    sqlite3_bind_int64(st, 4, (int64_t)bytes);
    return store_done(s, sqlite3_step(st), st, "write to");
}

/* ---- reading ---- */

/* false: no memory; SQLite says NULL then. */
static bool read_row(sqlite3_stmt *st, bool whole, struct store_letter *l)
{
    *l = (struct store_letter){
        .id = sqlite3_column_int64(st, 0),
        .sink = (const char *)sqlite3_column_text(st, 1),
        .source_key = (const char *)sqlite3_column_text(st, 2),
        .source_name = (const char *)sqlite3_column_text(st, 3),
        .place = (uint64_t)sqlite3_column_int64(st, 4),
        .time = sqlite3_column_int64(st, 5),
        .code = (const char *)sqlite3_column_text(st, 6),
        .says = (const char *)sqlite3_column_text(st, 7),
        .refused_at = sqlite3_column_int64(st, 8),
        .tried_at = sqlite3_column_int64(st, 9),
        .attempts = (uint64_t)sqlite3_column_int64(st, 10),
        .next_try = sqlite3_column_int64(st, 11),
        .line_n = (size_t)sqlite3_column_int64(st, 12),
        .size = (uint64_t)sqlite3_column_int64(st, 13),
    };
    if (whole) {
        l->labels = (const char *)sqlite3_column_text(st, 14);
        l->line = sqlite3_column_blob(st, 15);
        size_t n = (size_t)sqlite3_column_bytes(st, 15);
        if (!l->labels || (n && !l->line))
            return false;
        l->line_n = n;
        if (n == 0)
            l->line = "";
    }
    return l->sink && l->source_key && l->source_name && l->code && l->says;
}

static int each_row(struct store *s, sqlite3_stmt *st, bool whole, bool (*fn)(const struct store_letter *, void *),
                    void *arg)
{
    struct store_letter row;
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (!read_row(st, whole, &row)) {
            rc = SQLITE_NOMEM;
            break;
        }
        if (!fn(&row, arg))
            break;
    }
    return store_done(s, rc, st, "read");
}

int store_each_letter(struct store *s, const struct store_letter_query *q, bool (*fn)(const struct store_letter *, void *),
                      void *arg)
{
    sqlite3_stmt *st;
    int r = store_readable(s, at(q->whole ? EACH_WHOLE : EACH), &st);
    if (r < 0)
        return r;
    sqlite3_bind_int64(st, 1, q->after);
    sqlite3_bind_int64(st, 2, q->until ? q->until : INT64_MAX);
    store_bind_text(st, 3, q->sink);
    store_bind_text(st, 4, q->code);
    sqlite3_bind_int64(st, 5, q->before ? q->before : INT64_MAX);
    sqlite3_bind_int64(st, 6, q->limit);
    return each_row(s, st, q->whole, fn, arg);
}

int store_each_due_letter(struct store *s, const char *sink, int64_t now, int64_t limit,
                          bool (*fn)(const struct store_letter *, void *), void *arg)
{
    sqlite3_stmt *st;
    int r = store_readable(s, at(DUE), &st);
    if (r < 0)
        return r;
    sqlite3_bind_int64(st, 1, now);
    store_bind_text(st, 2, sink);
    sqlite3_bind_int64(st, 3, limit);
    return each_row(s, st, false, fn, arg);
}

struct finding {
    bool (*fn)(const struct store_letter *, void *);
    void *arg;
    bool found;
};

static bool found_it(const struct store_letter *row, void *arg)
{
    struct finding *f = arg;
    f->found = true;
    f->fn(row, f->arg);
    return false;
}

int store_find_letter(struct store *s, int64_t id, bool (*fn)(const struct store_letter *, void *), void *arg, bool *found)
{
    struct finding f = {fn, arg, false};
    const struct store_letter_query q = {.after = id - 1, .until = id, .limit = 1, .whole = true};
    int r = id > 0 ? store_each_letter(s, &q, found_it, &f) : 0;
    *found = f.found;
    return r;
}

/* Letters in a row of one source at one sink with one code. */
struct run {
    struct store_letter_sum sum;
    struct buf names; /* what the sum's strings point to */
};

static bool belongs(const struct run *r, const char *const names[4])
{
    return r->sum.letters && strcmp(r->sum.sink, names[0]) == 0 && strcmp(r->sum.source_key, names[1]) == 0 &&
           strcmp(r->sum.source_name, names[2]) == 0 && strcmp(r->sum.code, names[3]) == 0;
}

static int begin_run(struct run *r, const char *const names[4])
{
    size_t at[4];
    buf_clear(&r->names);
    for (int i = 0; i < 4; i++) {
        at[i] = r->names.len;
        buf_add(&r->names, names[i], strlen(names[i]) + 1);
    }
    const char *text = r->names.data;
    if (r->names.failed)
        return -ENOMEM;
    r->sum = (struct store_letter_sum){text + at[0], text + at[1], text + at[2], text + at[3], 0, 0, 0};
    return 0;
}

/* 0, 1 to end, or -errno. */
static int add_to_run(struct run *r, sqlite3_stmt *st, bool (*fn)(const struct store_letter_sum *, void *), void *arg)
{
    const char *names[4];
    for (int i = 0; i < 4; i++)
        if (!(names[i] = (const char *)sqlite3_column_text(st, i)))
            return -ENOMEM;
    if (!belongs(r, names)) {
        if (r->sum.letters && !fn(&r->sum, arg))
            return 1;
        int e = begin_run(r, names);
        if (e < 0)
            return e;
    }
    r->sum.letters++;
    r->sum.bytes += (uint64_t)sqlite3_column_int64(st, 4);
    r->sum.size += (uint64_t)sqlite3_column_int64(st, 5);
    return 0;
}

int store_each_letter_sum(struct store *s, bool (*fn)(const struct store_letter_sum *, void *), void *arg)
{
    sqlite3_stmt *st;
    struct run run = {0};
    int e = store_readable(s, at(SUMS), &st), rc = SQLITE_DONE;
    if (e == 0)
        e = buf_begin(&run.names, &s->scope, "names of letters", 1 << 20);
    if (e < 0)
        return e;
    while (e == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
        e = add_to_run(&run, st, fn, arg);
    if (e == 0 && rc == SQLITE_DONE && run.sum.letters)
        fn(&run.sum, arg);
    buf_end(&run.names);
    return store_done(s, e < 0 ? SQLITE_NOMEM : rc, st, "read");
}

int store_last_letter(struct store *s, int64_t *id)
{
    sqlite3_stmt *st;
    int r = store_readable(s, at(LAST), &st), rc;
    *id = 0;
    if (r < 0)
        return r;
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *id = sqlite3_column_int64(st, 0);
    return store_done(s, rc, st, "read");
}
