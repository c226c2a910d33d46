#include "store/store_history.h"

#include "store/store_internal.h"

int store_put_history(struct store *s, const struct store_history *row)
{
    sqlite3_stmt *st = store_writable(s, ST_PUT_SERIES);
    if (!st)
        return s->failed;
    store_bind_text(st, 1, row->series);
    int r = store_done(s, sqlite3_step(st), st, "write to");
    if (r < 0 || !(st = store_writable(s, ST_PUT_HISTORY)))
        return s->failed;
    store_bind_text(st, 1, row->series);
    sqlite3_bind_int64(st, 2, row->length);
    sqlite3_bind_int64(st, 3, row->start);
    sqlite3_bind_double(st, 4, row->least);
    sqlite3_bind_double(st, 5, row->mean);
    sqlite3_bind_double(st, 6, row->most);
    return store_done(s, sqlite3_step(st), st, "write to");
}

int store_forget_history(struct store *s, int64_t length, int64_t before)
{
    sqlite3_stmt *st = store_writable(s, ST_FORGET_HISTORY);
    if (!st)
        return s->failed;
    sqlite3_bind_int64(st, 1, length);
    sqlite3_bind_int64(st, 2, before);
    return store_done(s, sqlite3_step(st), st, "delete from");
}

int store_each_history(struct store *s, const char *series, int64_t length, int64_t from, int64_t to,
                       bool (*fn)(const struct store_history *, void *), void *arg)
{
    sqlite3_stmt *st;
    int r = store_readable(s, ST_EACH_HISTORY, &st), rc;
    if (r < 0)
        return r;
    store_bind_text(st, 1, series);
    sqlite3_bind_int64(st, 2, length);
    sqlite3_bind_int64(st, 3, from);
    sqlite3_bind_int64(st, 4, to);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        const struct store_history row = {
            .series = series, .length = length, .start = sqlite3_column_int64(st, 0), .least = sqlite3_column_double(st, 1),
            .mean = sqlite3_column_double(st, 2), .most = sqlite3_column_double(st, 3)};
        if (!fn(&row, arg))
            break;
    }
    return store_done(s, rc, st, "read");
}
