#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "store/store_fallback.h"
#include "store/store_internal.h"
#include "store/store_vfs.h"

enum { LOCK_TEXT = 24 };

/* ---- open and close ---- */

int64_t store_holder(const char *state_dir)
{
    char path[PATH_MAX];
    struct fd f;
    snprintf(path, sizeof path, "%s/lock", state_dir);
    if (fd_open(&f, &scope_root, path, O_RDWR, 0) < 0)
        return 0;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char text[LOCK_TEXT] = {0};
    int64_t pid = 0;
    if (fcntl(f.n, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
        pid = fd_pread(f.n, text, sizeof text - 1, 0) > 0 ? strtoll(text, NULL, 10) : 0;
        if (pid <= 0)
            pid = -1;
    }
    fd_close(&f);
    return pid;
}

/* Of the open file, not of the process: a second open in this process is refused too. */
static int take_lock(struct store *s)
{
    char path[PATH_MAX], text[LOCK_TEXT];
    snprintf(path, sizeof path, "%s/lock", s->dir);
    int r = fd_open(&s->lock, &s->scope, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (r < 0) {
        /* Who cannot write here cannot spoil anything either. */
        log_warn("store", "cannot lock %s: %s", s->dir, strerror(-r));
        return 0;
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(s->lock.n, F_OFD_SETLK, &lock) < 0) {
        if (errno != EAGAIN && errno != EACCES)
            return 0; /* a file system without locks */
        int64_t pid = store_holder(s->dir);
        log_error("store", "%s is in use by another logcap (process %lld): stop it, or give this one"
                  " its own state_dir", s->dir, (long long)pid);
        return -EBUSY;
    }
    int n = snprintf(text, sizeof text, "%lld\n", (long long)getpid());
    if (fd_truncate(s->lock.n, 0) == 0)
        (void)fd_write_all(s->lock.n, text, (size_t)n);
    return 0;
}

static int begin(struct store *s, const char *state_dir, bool reader)
{
    s->reader = reader;
    s->lock.n = -1;
    s->dir = scope_strdup(&s->scope, state_dir);
    s->path = scope_printf(&s->scope, "%s/state.db", state_dir);
    s->fallback = scope_printf(&s->scope, "%s/positions", state_dir);
    if (!s->dir || !s->path || !s->fallback)
        return -ENOMEM;
    if (strlen(s->path) + sizeof ".broken-4294967295-wal" > PATH_MAX)
        return -ENAMETOOLONG;
    struct stat st;
    int r = reader ? 0 : file_mkdirs(&s->scope, state_dir, 0700);
    if (r == 0 && !reader && file_stat(state_dir, &st) == 0 && !S_ISDIR(st.st_mode))
        r = -ENOTDIR;
    if (r < 0) {
        log_error("store", "cannot create state_dir %s: %s", state_dir, strerror(-r));
        return r;
    }
    if (!reader)
        r = take_lock(s);
    if (r == 0)
        r = scope_begin(&s->files, &s->scope, "sqlite");
    if (r == 0)
        r = store_vfs_begin(&s->files);
    s->vfs = r == 0;
    return r;
}

struct store *store_begin_in(struct scope *owner, const char *state_dir, bool reader, int *error)
{
    struct store *s = scope_new(owner, sizeof *s, "store");
    if (!s) {
        *error = -errno;
        return NULL;
    }
    *error = begin(s, state_dir, reader);
    if (*error == 0)
        return s;
    store_close(s);
    return NULL;
}

struct store *store_open(struct scope *owner, const char *state_dir, int *error)
{
    struct store *s = store_begin_in(owner, state_dir, false, error);
    int r = s ? store_db_open(s) : 0;
    if (r < 0) {
        log_error("store", "%s; positions are not kept until that is mended", s->error);
        if (r != -EUCLEAN && store_db_look(s) == 0)
            log_warn("store", "the positions of the last run are read from it all the same");
    }
    return s;
}

struct store *store_open_reader(struct scope *owner, const char *state_dir, int *error, char *why, size_t size)
{
    struct store *s = store_begin_in(owner, state_dir, true, error);
    if (!s) {
        snprintf(why, size, "%s", strerror(-*error));
        return NULL;
    }
    *error = store_db_open(s);
    if (*error == 0)
        return s;
    snprintf(why, size, "%s", s->error);
    store_close(s);
    return NULL;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    store_db_close(s);
    if (s->vfs)
        store_vfs_end(&s->files);
    scope_end(&s->scope);
}

const char *store_error(const struct store *s)
{
    return s->error;
}

uint64_t store_set_aside(const struct store *s)
{
    return s->set_aside;
}

uint64_t store_generation(const struct store *s)
{
    return s->generation;
}

/* ---- writing ---- */

int store_done(struct store *s, int rc, sqlite3_stmt *st, const char *doing)
{
    int r = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : store_failed(s, rc, doing);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return r;
}

/* Without a transaction there is nothing to write into. */
sqlite3_stmt *store_writable(struct store *s, enum statement which)
{
    assert(s->failed || (s->db && !sqlite3_get_autocommit(s->db)));
    if (!s->failed)
        s->failed = store_prepare(s, which);
    return s->failed ? NULL : s->statements[which];
}

void store_bind_text(sqlite3_stmt *st, int at, const char *text)
{
    if (text)
        sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(st, at);
}

static void bind_number(sqlite3_stmt *st, int at, uint64_t n)
{
    sqlite3_bind_int64(st, at, (int64_t)n);
}

int store_begin(struct store *s)
{
    s->failed = 0;
    if (!s->db || s->damaged || s->doubtful || store_db_moved(s)) {
        int r = store_db_open(s);
        if (r < 0) {
            s->failed = r;
            return r;
        }
    }
    sqlite3_stmt *st = s->statements[ST_BEGIN];
    return store_done(s, sqlite3_step(st), st, "begin a transaction in");
}

int store_put_source(struct store *s, const struct store_source *row)
{
    sqlite3_stmt *st = store_writable(s, ST_PUT_SOURCE);
    if (!st)
        return s->failed;
    store_bind_text(st, 1, row->key);
    store_bind_text(st, 2, row->name);
    store_bind_text(st, 3, row->identity);
    sqlite3_bind_int64(st, 4, row->seen);
    return store_done(s, sqlite3_step(st), st, "write to");
}

int store_put_position(struct store *s, const struct store_position *row)
{
    sqlite3_stmt *st = store_writable(s, ST_PUT_POSITION);
    if (!st)
        return s->failed;
    store_bind_text(st, 1, row->source_key);
    store_bind_text(st, 2, row->sink);
    bind_number(st, 3, row->offset);
    bind_number(st, 4, row->tail_hash);
    store_bind_text(st, 5, row->cursor);
    return store_done(s, sqlite3_step(st), st, "write to");
}

int store_put_ledger(struct store *s, const struct store_ledger *row)
{
    sqlite3_stmt *st = store_writable(s, ST_PUT_LEDGER);
    if (!st)
        return s->failed;
    store_bind_text(st, 1, row->source_key);
    store_bind_text(st, 2, row->sink);
    for (int i = 0; i < STORE_COUNTERS; i++)
        bind_number(st, 3 + i, row->counters[i]);
    return store_done(s, sqlite3_step(st), st, "write to");
}

int store_put_file(struct store *s, const struct store_file *row)
{
    sqlite3_stmt *st = store_writable(s, ST_PUT_FILE);
    if (!st)
        return s->failed;
    store_bind_text(st, 1, row->sink);
    store_bind_text(st, 2, row->path);
    bind_number(st, 3, row->length);
    bind_number(st, 4, row->inode);
    sqlite3_bind_int64(st, 5, row->born);
    return store_done(s, sqlite3_step(st), st, "write to");
}

int store_put_spool(struct store *s, const struct store_spool *row)
{
    sqlite3_stmt *st = store_writable(s, ST_PUT_SPOOL);
    if (!st)
        return s->failed;
    store_bind_text(st, 1, row->sink);
    store_bind_text(st, 2, row->ranges);
    return store_done(s, sqlite3_step(st), st, "write to");
}

static int delete_where(struct store *s, enum statement which, const char *a, const char *b)
{
    sqlite3_stmt *st = store_writable(s, which);
    if (!st)
        return s->failed;
    store_bind_text(st, 1, a);
    if (b)
        store_bind_text(st, 2, b);
    return store_done(s, sqlite3_step(st), st, "delete from");
}

int store_delete_file(struct store *s, const char *sink, const char *path)
{
    return delete_where(s, ST_DELETE_FILE, sink, path);
}

int store_delete_spool(struct store *s, const char *sink)
{
    return delete_where(s, ST_DELETE_SPOOL, sink, NULL);
}

int store_purge_spool(struct store *s, const char *sink)
{
    int r = delete_where(s, ST_PURGE_SPOOLED, sink, NULL);
    return r < 0 ? r : store_delete_spool(s, sink);
}

int store_delete_source(struct store *s, const char *key)
{
    int r = delete_where(s, ST_DELETE_SOURCE_POSITIONS, key, NULL);
    if (r == 0)
        r = delete_where(s, ST_DELETE_SOURCE_LEDGER, key, NULL);
    if (r == 0)
        r = delete_where(s, ST_DELETE_SOURCE_INTENTS, key, NULL);
    return r < 0 ? r : delete_where(s, ST_DELETE_SOURCE, key, NULL);
}

int store_delete_positions(struct store *s, const char *key, const char *sink)
{
    int r = delete_where(s, ST_DELETE_SOURCE_INTENTS, key, sink);
    return r < 0 ? r : delete_where(s, ST_DELETE_POSITIONS, key, sink);
}

int store_forget(struct store *s, int64_t before)
{
    static const enum statement steps[] = {ST_FORGET_POSITIONS, ST_FORGET_LEDGER, ST_FORGET_INTENTS, ST_FORGET_SETTINGS,
                                           ST_FORGET_SOURCES};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        sqlite3_stmt *st = store_writable(s, steps[i]);
        if (!st)
            return s->failed;
        if (steps[i] != ST_FORGET_SETTINGS)
            sqlite3_bind_int64(st, 1, before);
        int r = store_done(s, sqlite3_step(st), st, "delete from");
        if (r < 0)
            return r;
    }
    return 0;
}

void store_rollback(struct store *s)
{
    if (s->db && !sqlite3_get_autocommit(s->db)) {
        sqlite3_stmt *st = s->statements[ST_ROLLBACK];
        sqlite3_step(st);
        sqlite3_reset(st);
        if (!sqlite3_get_autocommit(s->db))
            s->doubtful = true;
    }
    s->failed = 0;
}

int store_commit(struct store *s)
{
    int r = s->failed;
    if (r == 0) {
        sqlite3_stmt *st = s->statements[ST_COMMIT];
        r = store_done(s, sqlite3_step(st), st, "commit to");
    }
    if (r < 0)
        store_rollback(s);
    return r;
}

/* ---- reading ---- */

int store_readable(struct store *s, enum statement which, sqlite3_stmt **st)
{
    int r = s->db ? store_prepare(s, which) : s->failed ? s->failed : -EIO;
    *st = r == 0 ? s->statements[which] : NULL;
    return r;
}

const char *store_text(sqlite3_stmt *st, int at, int *rc)
{
    const char *text = (const char *)sqlite3_column_text(st, at);
    if (!text)
        *rc = SQLITE_NOMEM;
    return text;
}

static const char *text_or_null(sqlite3_stmt *st, int at)
{
    return (const char *)sqlite3_column_text(st, at);
}

int store_each_source(struct store *s, bool (*fn)(const struct store_source *, void *), void *arg)
{
    sqlite3_stmt *st;
    int r = store_readable(s, ST_EACH_SOURCE, &st), rc;
    if (r < 0)
        return r;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_source row = {.key = store_text(st, 0, &rc), .name = store_text(st, 1, &rc),
                                   .identity = text_or_null(st, 2), .seen = sqlite3_column_int64(st, 3)};
        if (rc != SQLITE_ROW || !fn(&row, arg))
            break;
    }
    return store_done(s, rc, st, "read");
}

int store_each_position(struct store *s, const char *source_key,
                        bool (*fn)(const struct store_position *, void *), void *arg)
{
    sqlite3_stmt *st;
    int r = store_readable(s, ST_EACH_POSITION, &st), rc;
    if (r < 0)
        return r;
    store_bind_text(st, 1, source_key);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_position row = {.source_key = store_text(st, 0, &rc), .sink = store_text(st, 1, &rc),
                                     .offset = (uint64_t)sqlite3_column_int64(st, 2),
                                     .tail_hash = (uint64_t)sqlite3_column_int64(st, 3),
                                     .cursor = text_or_null(st, 4)};
        if (rc != SQLITE_ROW || !fn(&row, arg))
            break;
    }
    return store_done(s, rc, st, "read");
}

int store_each_ledger(struct store *s, bool (*fn)(const struct store_ledger *, void *), void *arg)
{
    sqlite3_stmt *st;
    int r = store_readable(s, ST_EACH_LEDGER, &st), rc;
    if (r < 0)
        return r;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_ledger row = {.source_key = store_text(st, 0, &rc), .sink = store_text(st, 1, &rc)};
        for (int i = 0; i < STORE_COUNTERS; i++)
            row.counters[i] = (uint64_t)sqlite3_column_int64(st, 2 + i);
        if (rc != SQLITE_ROW || !fn(&row, arg))
            break;
    }
    return store_done(s, rc, st, "read");
}

int store_each_file(struct store *s, const char *sink, bool (*fn)(const struct store_file *, void *), void *arg)
{
    sqlite3_stmt *st;
    int r = store_readable(s, ST_EACH_FILE, &st), rc;
    if (r < 0)
        return r;
    store_bind_text(st, 1, sink);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_file row = {.sink = store_text(st, 0, &rc), .path = store_text(st, 1, &rc),
                                 .length = (uint64_t)sqlite3_column_int64(st, 2),
                                 .inode = (uint64_t)sqlite3_column_int64(st, 3),
                                 .born = sqlite3_column_int64(st, 4)};
        if (rc != SQLITE_ROW || !fn(&row, arg))
            break;
    }
    return store_done(s, rc, st, "read");
}

int store_each_spool(struct store *s, bool (*fn)(const struct store_spool *, void *), void *arg)
{
    sqlite3_stmt *st;
    int r = store_readable(s, ST_EACH_SPOOL, &st), rc;
    if (r < 0)
        return r;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_spool row = {.sink = store_text(st, 0, &rc), .ranges = store_text(st, 1, &rc)};
        if (rc != SQLITE_ROW || !fn(&row, arg))
            break;
    }
    return store_done(s, rc, st, "read");
}

int store_write_fallback(struct store *s)
{
    int r = fallback_write(&s->scope, s, s->fallback);
    if (r < 0)
        store_set_error(s, "cannot write %s: %s", s->fallback, strerror(-r));
    return r;
}
