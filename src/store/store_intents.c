#include "store/store_intents.h"

#include "store/store_internal.h"

int store_put_settings(struct store *s, const struct store_settings *row)
{
    sqlite3_stmt *st = store_writable(s, ST_PUT_SETTINGS);
    if (!st)
        return s->failed;
    sqlite3_bind_int64(st, 1, row->id);
    store_bind_text(st, 2, row->text);
    return store_done(s, sqlite3_step(st), st, "write to");
}

int store_put_intent(struct store *s, const struct store_intent *row)
{
    sqlite3_stmt *st = store_writable(s, ST_PUT_INTENT);
    if (!st)
        return s->failed;
    store_bind_text(st, 1, row->source_key);
    store_bind_text(st, 2, row->sink);
    sqlite3_bind_int64(st, 3, (int64_t)row->from);
    sqlite3_bind_int64(st, 4, (int64_t)row->to);
    sqlite3_bind_int64(st, 5, row->anchor);
    sqlite3_bind_int64(st, 6, row->tie);
    sqlite3_bind_int64(st, 7, row->ties);
    sqlite3_bind_int64(st, 8, row->skipping);
    sqlite3_bind_int64(st, 9, row->settings);
    sqlite3_bind_int64(st, 10, row->sent_with);
    return store_done(s, sqlite3_step(st), st, "write to");
}

int store_delete_intents(struct store *s, const char *source_key, const char *sink, uint64_t position)
{
    sqlite3_stmt *st = store_writable(s, ST_DELETE_INTENTS);
    if (!st)
        return s->failed;
    store_bind_text(st, 1, source_key);
    store_bind_text(st, 2, sink);
    sqlite3_bind_int64(st, 3, (int64_t)position);
    return store_done(s, sqlite3_step(st), st, "delete from");
}

int store_each_intent(struct store *s, bool (*fn)(const struct store_intent *, void *), void *arg)
{
    sqlite3_stmt *st;
    int r = store_readable(s, ST_EACH_INTENT, &st), rc;
    if (r < 0)
        return r;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_intent row = {
            .source_key = store_text(st, 0, &rc), .sink = store_text(st, 1, &rc),
            .from = (uint64_t)sqlite3_column_int64(st, 2), .to = (uint64_t)sqlite3_column_int64(st, 3),
            .anchor = sqlite3_column_int64(st, 4), .tie = sqlite3_column_int64(st, 5),
            .ties = (uint32_t)sqlite3_column_int64(st, 6), .skipping = sqlite3_column_int(st, 7) != 0,
            .settings = sqlite3_column_int64(st, 8), .sent_with = sqlite3_column_int64(st, 9)};
        if (rc != SQLITE_ROW || !fn(&row, arg))
            break;
    }
    return store_done(s, rc, st, "read");
}

int store_each_settings(struct store *s, bool (*fn)(const struct store_settings *, void *), void *arg)
{
    sqlite3_stmt *st;
    int r = store_readable(s, ST_EACH_SETTINGS, &st), rc;
    if (r < 0)
        return r;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_settings row = {.id = sqlite3_column_int64(st, 0), .text = store_text(st, 1, &rc)};
        if (rc != SQLITE_ROW || !fn(&row, arg))
            break;
    }
    return store_done(s, rc, st, "read");
}
