/* The database as a whole: opened, checked, set aside, begun anew. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/store_fallback.h"
#include "store/store_internal.h"

enum {
    BUSY_MS = 1000,
    BROKEN_KEPT = 3,
    CHECK_MAX = 32 * 1024 * 1024, /* a larger database is not checked at open: it takes too long */
};

/*
 * Each step leads from the version before it to its own; a new database takes them all. A step that was released is
 * never changed. Rows name sources by key, not by number: few enough, and readable with sqlite3 as they are.
 * The ledger's counters have the order of enum store_counter.
 */
static const char *const steps[] = {
    "CREATE TABLE sources (key TEXT PRIMARY KEY, name TEXT NOT NULL, identity TEXT,"
    " seen INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE positions (source TEXT NOT NULL, sink TEXT NOT NULL, offset INTEGER NOT NULL,"
    " tail_hash INTEGER NOT NULL, cursor TEXT, PRIMARY KEY (source, sink)) WITHOUT ROWID;"
    "CREATE TABLE ledger (source TEXT NOT NULL, sink TEXT NOT NULL,"
    " taken_records INTEGER NOT NULL, taken_bytes INTEGER NOT NULL,"
    " delivered_records INTEGER NOT NULL, delivered_bytes INTEGER NOT NULL,"
    " spooled_records INTEGER NOT NULL, spooled_bytes INTEGER NOT NULL,"
    " dead_records INTEGER NOT NULL, dead_bytes INTEGER NOT NULL,"
    " skipped_records INTEGER NOT NULL, skipped_bytes INTEGER NOT NULL,"
    " invalid_records INTEGER NOT NULL, invalid_bytes INTEGER NOT NULL,"
    " too_long_records INTEGER NOT NULL, too_long_bytes INTEGER NOT NULL,"
    " shutdown_records INTEGER NOT NULL, shutdown_bytes INTEGER NOT NULL,"
    " PRIMARY KEY (source, sink)) WITHOUT ROWID;"
    "CREATE TABLE files (sink TEXT NOT NULL, path TEXT NOT NULL, length INTEGER NOT NULL,"
    " inode INTEGER NOT NULL, born INTEGER NOT NULL, PRIMARY KEY (sink, path)) WITHOUT ROWID;",
    "ALTER TABLE ledger ADD COLUMN spool_full_records INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE ledger ADD COLUMN spool_full_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE ledger ADD COLUMN spool_damaged_records INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE ledger ADD COLUMN spool_damaged_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE ledger ADD COLUMN purged_records INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE ledger ADD COLUMN purged_bytes INTEGER NOT NULL DEFAULT 0;",
    store_letters_schema,
    "CREATE TABLE spool (sink TEXT PRIMARY KEY, ranges TEXT NOT NULL) WITHOUT ROWID;",
    "CREATE TABLE settings (id INTEGER PRIMARY KEY, text TEXT NOT NULL);"
    "CREATE TABLE intents (source TEXT NOT NULL, sink TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL,"
    " anchor INTEGER NOT NULL, tie INTEGER NOT NULL, ties INTEGER NOT NULL, skipping INTEGER NOT NULL,"
    " settings INTEGER NOT NULL, sent_with INTEGER NOT NULL, PRIMARY KEY (source, sink, start)) WITHOUT ROWID;",
    "CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE history (series INTEGER NOT NULL, length INTEGER NOT NULL, start INTEGER NOT NULL, least REAL NOT NULL,"
    " mean REAL NOT NULL, most REAL NOT NULL, PRIMARY KEY (series, length, start)) WITHOUT ROWID;",
    "ALTER TABLE ledger ADD COLUMN duplicate_records INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE ledger ADD COLUMN duplicate_bytes INTEGER NOT NULL DEFAULT 0;",
};
enum { SCHEMA_VERSION = sizeof steps / sizeof *steps };

/* Whoever has dead letters is not forgotten: they would be nobody's. */
#define KEPT " AND key NOT IN (SELECT source FROM dead_letters)"

static const char *const texts[ST_LETTERS] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_PUT_SOURCE] = "INSERT INTO sources VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET"
                      " name = ?2, identity = coalesce(?3, identity), seen = ?4",
    [ST_PUT_POSITION] = "INSERT INTO positions VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET"
                        " offset = ?3, tail_hash = ?4, cursor = ?5",
    [ST_PUT_LEDGER] = "REPLACE INTO ledger VALUES"
                      " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)",
    [ST_PUT_FILE] = "INSERT INTO files VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET"
                    " length = ?3, inode = ?4, born = ?5",
    [ST_PUT_SPOOL] = "INSERT INTO spool VALUES (?1, ?2) ON CONFLICT DO UPDATE SET ranges = ?2",
    [ST_DELETE_SPOOL] = "DELETE FROM spool WHERE sink = ?1",
    [ST_PURGE_SPOOLED] = "UPDATE ledger SET purged_records = purged_records + spooled_records,"
                         " purged_bytes = purged_bytes + spooled_bytes, spooled_records = 0, spooled_bytes = 0 WHERE sink = ?1",
    [ST_DELETE_FILE] = "DELETE FROM files WHERE sink = ?1 AND path = ?2",
    [ST_DELETE_SOURCE] = "DELETE FROM sources WHERE key = ?1",
    [ST_DELETE_SOURCE_POSITIONS] = "DELETE FROM positions WHERE source = ?1",
    [ST_DELETE_SOURCE_LEDGER] = "DELETE FROM ledger WHERE source = ?1",
    [ST_DELETE_POSITIONS] = "DELETE FROM positions WHERE source = ?1 AND (?2 IS NULL OR sink = ?2)",
    [ST_FORGET_POSITIONS] = "DELETE FROM positions WHERE source IN (SELECT key FROM sources WHERE seen < ?1" KEPT ")",
    [ST_FORGET_LEDGER] = "DELETE FROM ledger WHERE source IN (SELECT key FROM sources WHERE seen < ?1" KEPT ")",
    [ST_FORGET_SOURCES] = "DELETE FROM sources WHERE seen < ?1" KEPT,
    [ST_EACH_SOURCE] = "SELECT key, name, identity, seen FROM sources",
    [ST_EACH_POSITION] = "SELECT source, sink, offset, tail_hash, cursor FROM positions"
                         " WHERE ?1 IS NULL OR source = ?1",
    [ST_EACH_LEDGER] = "SELECT * FROM ledger",
    [ST_EACH_FILE] = "SELECT sink, path, length, inode, born FROM files WHERE ?1 IS NULL OR sink = ?1",
    [ST_EACH_SPOOL] = "SELECT sink, ranges FROM spool",
    [ST_PUT_SETTINGS] = "INSERT INTO settings VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    [ST_PUT_INTENT] = "REPLACE INTO intents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [ST_DELETE_INTENTS] = "DELETE FROM intents WHERE source = ?1 AND sink = ?2 AND stop <= ?3",
    [ST_DELETE_SOURCE_INTENTS] = "DELETE FROM intents WHERE source = ?1 AND (?2 IS NULL OR sink = ?2)",
    [ST_FORGET_INTENTS] = "DELETE FROM intents WHERE source IN (SELECT key FROM sources WHERE seen < ?1" KEPT ")",
    [ST_FORGET_SETTINGS] = "DELETE FROM settings WHERE id NOT IN (SELECT settings FROM intents)"
                           " AND id NOT IN (SELECT sent_with FROM intents)",
    [ST_EACH_INTENT] = "SELECT * FROM intents ORDER BY source, start, stop",
    [ST_EACH_SETTINGS] = "SELECT id, text FROM settings",
    [ST_PUT_SERIES] = "INSERT INTO series (name) VALUES (?1) ON CONFLICT DO NOTHING",
    [ST_PUT_HISTORY] = "INSERT INTO history SELECT id, ?2, ?3, ?4, ?5, ?6 FROM series WHERE name = ?1 ON CONFLICT DO UPDATE SET"
                       " least = min(least, ?4), mean = (mean + ?5) / 2, most = max(most, ?6)",
    [ST_FORGET_HISTORY] = "DELETE FROM history WHERE series IN (SELECT id FROM series) AND length = ?1 AND start < ?2",
    [ST_EACH_HISTORY] = "SELECT start, least, mean, most FROM history WHERE series = (SELECT id FROM series WHERE name = ?1)"
                        " AND length = ?2 AND start >= ?3 AND start <= ?4 ORDER BY start",
};

void store_set_error(struct store *s, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(s->error, sizeof s->error, format, ap);
    va_end(ap);
}

static int errno_of(int extended, int system)
{
    if (extended == SQLITE_IOERR_NOMEM)
        return ENOMEM;
    switch (extended & 0xff) {
    case SQLITE_NOMEM: return ENOMEM;
    case SQLITE_FULL: return ENOSPC;
    case SQLITE_READONLY: return EROFS;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return EUCLEAN;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return EBUSY;
    case SQLITE_PERM:
    case SQLITE_AUTH: return EACCES;
    case SQLITE_CANTOPEN: return system ? system : EACCES;
    default: return system ? system : EIO;
    }
}

int store_failed(struct store *s, int rc, const char *doing)
{
    int extended = s->db ? sqlite3_extended_errcode(s->db) : rc;
    if ((extended & 0xff) != (rc & 0xff))
        extended = rc;
    int kind = extended & 0xff;
    bool system = kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN;
    int err = errno_of(extended, system && s->db ? sqlite3_system_errno(s->db) : 0);
    store_set_error(s, "cannot %s %s: %s (%s)", doing, s->path, sqlite3_errstr(extended), strerror(err));
    if (err == EUCLEAN)
        s->damaged = true;
    else if (err != EBUSY && err != ENOSPC)
        s->doubtful = true;
    if (s->failed == 0)
        s->failed = -err;
    return -err;
}

static void handle_end(struct thing *t)
{
    struct store *s = container_of(t, struct store, handle);
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(s->statements[i]);
        s->statements[i] = NULL;
    }
    sqlite3_close(s->db); /* nothing is left that could keep it open */
    s->db = NULL;
}

void store_db_close(struct store *s)
{
    thing_end(&s->handle);
    s->doubtful = false;
}

bool store_db_moved(const struct store *s)
{
    struct stat st;
    int r = file_stat(s->path, &st);
    return r == -ENOENT || (r == 0 && st.st_ino != s->inode);
}

static int exec(struct store *s, const char *sql, const char *doing)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : store_failed(s, rc, doing);
}

/* The first column of the first row, as a number and as text; 0 and "" if there is no row. */
static int ask(struct store *s, const char *sql, int64_t *number, char *text, size_t size)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    *number = 0;
    if (size)
        text[0] = 0;
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        *number = sqlite3_column_int64(st, 0);
        if (size) {
            const char *value = (const char *)sqlite3_column_text(st, 0);
            snprintf(text, size, "%s", value ? value : "");
        }
        rc = SQLITE_DONE;
    }
    int r = rc == SQLITE_DONE ? 0 : store_failed(s, rc, "read");
    sqlite3_finalize(st);
    return r;
}

static int damage(struct store *s, const char *what)
{
    store_set_error(s, "%s is not usable: %s", s->path, what);
    s->damaged = true;
    return -EUCLEAN;
}

static int check_pages(struct store *s)
{
    static const char unreadable[] = "error code=";
    char answer[120];
    int64_t n;
    int r = ask(s, s->confirm ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)", &n, answer, sizeof answer);
    if (r < 0 || strcmp(answer, "ok") == 0)
        return r;
    /* A page that could not be read just now is reported like a damaged one. */
    const char *code = strstr(answer, unreadable);
    int rc = code ? atoi(code + sizeof unreadable - 1) & 0xff : SQLITE_CORRUPT;
    if (rc != SQLITE_CORRUPT && rc != SQLITE_NOTADB)
        return store_failed(s, rc, "check");
    const char *heading = strchr(answer, '\n'); /* "*** in database main ***" */
    return damage(s, heading ? heading + 1 : answer);
}

/* Whether what we opened is ours and whole. *version 0: it is empty. */
static int check(struct store *s, uint64_t size, int64_t *version)
{
    int64_t objects;
    int r = ask(s, "PRAGMA user_version", version, NULL, 0);
    if (r == 0)
        r = ask(s, "SELECT count(*) FROM sqlite_schema", &objects, NULL, 0);
    if (r < 0)
        return r;
    if (*version < 0 || *version > SCHEMA_VERSION)
        return damage(s, "a later version of logcap wrote it");
    if (*version == 0 && objects > 0)
        return damage(s, "it holds something else");
    return s->confirm || (!s->reader && size <= CHECK_MAX) ? check_pages(s) : 0;
}

static int set_up(struct store *s)
{
    int r = exec(s, "PRAGMA cache_size = -256; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0", "set up");
    if (r == 0 && !s->reader)
        r = exec(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                    "PRAGMA journal_size_limit = 4194304", "set up");
    return r;
}

/* From the version it has to ours, in one transaction. */
static int migrate(struct store *s, int64_t version)
{
    char set[40];
    int r = exec(s, "BEGIN IMMEDIATE", "begin");
    for (; version < SCHEMA_VERSION && r == 0; version++)
        r = exec(s, steps[version], "begin");
    snprintf(set, sizeof set, "PRAGMA user_version = %d", SCHEMA_VERSION);
    if (r == 0)
        r = exec(s, set, "begin");
    if (r == 0)
        r = exec(s, "COMMIT", "begin");
    return r; /* a failure closes the handle, and so rolls back */
}

int store_prepare(struct store *s, enum statement which)
{
    const char *text = which < ST_LETTERS ? texts[which] : store_letters_texts[which - ST_LETTERS];
    if (s->statements[which])
        return 0;
    int rc = sqlite3_prepare_v3(s->db, text, -1, SQLITE_PREPARE_PERSISTENT, &s->statements[which], NULL);
    /* A table that is missing or has other columns: it is not the schema that its version says. */
    if (rc == SQLITE_ERROR)
        return damage(s, sqlite3_errmsg(s->db));
    return rc == SQLITE_OK ? 0 : store_failed(s, rc, "prepare");
}

static int prepare(struct store *s)
{
    int r = 0;
    for (int i = 0; i < ST_LETTERS && r == 0; i++)
        r = store_prepare(s, (enum statement)i);
    return r;
}

/* As a URI for which SQLite wants to write nothing beside the file, not even what a reader of a WAL needs. */
static void immutable_path(const struct store *s, char out[3 * PATH_MAX + 32])
{
    char *o = stpcpy(out, "file:");
    for (const char *p = s->path; *p; p++)
        o += strchr("%?#", *p) ? sprintf(o, "%%%02x", (unsigned char)*p) : sprintf(o, "%c", *p);
    strcpy(o, "?immutable=1");
}

static int open_handle(struct store *s)
{
    char uri[3 * PATH_MAX + 32];
    int flags = s->reader ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    const char *path = s->path;
    if (s->immutable) {
        immutable_path(s, uri);
        path = uri;
        flags |= SQLITE_OPEN_URI;
    }
    int r = thing_begin(&s->handle, &s->scope, BIRTH_HANDLE, "state.db", 0, handle_end);
    if (r < 0) {
        store_set_error(s, "cannot open %s: %s", s->path, strerror(-r));
        return r;
    }
    int rc = sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX, "unix");
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(s->db, BUSY_MS);
    return rc == SQLITE_OK ? 0 : store_failed(s, rc, "open");
}

static int fill_source(const struct store_source *row, void *arg)
{
    return store_put_source(arg, row);
}

static int fill_position(const struct store_position *row, void *arg)
{
    return store_put_position(arg, row);
}

/*
 * At a start, positions and lengths are of one moment, and a file is cut back to where its positions are.
 * Later the positions in memory have gone on, and so has the file: its length is not known here.
 */
static int fill_file(const struct store_file *row, void *arg)
{
    struct store *s = arg;
    struct store_file copy = *row;
    if (s->opened_once)
        copy.length = STORE_LENGTH_UNKNOWN;
    return store_put_file(s, &copy);
}

/* An empty database gets its tables, and what the fallback file remembers. */
static int fill(struct store *s)
{
    const struct fallback_rows rows = {fill_source, fill_position, fill_file, s};
    int rc = sqlite3_step(s->statements[ST_BEGIN]);
    sqlite3_reset(s->statements[ST_BEGIN]);
    if (rc != SQLITE_DONE)
        return store_failed(s, rc, "begin");
    s->failed = 0;
    int r = fallback_read(&s->scope, s->fallback, &rows);
    if (r == 0 && (r = store_commit(s)) == 0) {
        log_warn("store", "took the positions of %s into the new %s", s->fallback, s->path);
        return 0;
    }
    int why = s->failed;
    store_rollback(s);
    if (why < 0)
        return why;
    if (r != -ENOENT)
        log_warn("store", "cannot use %s: %s", s->fallback,
                 r == -EUCLEAN ? "it is damaged" : strerror(-r));
    return 0; /* nothing is remembered; logcap starts all the same */
}

static int open_checked(struct store *s, bool *fresh)
{
    struct stat st = {0};
    int64_t version = 0;
    int r = file_stat(s->path, &st);
    if (r < 0 && r != -ENOENT) {
        store_set_error(s, "cannot look at %s: %s", s->path, strerror(-r));
        return r;
    }
    r = open_handle(s);
    if (r == 0)
        r = check(s, (uint64_t)st.st_size, &version);
    if (r == 0)
        r = set_up(s);
    *fresh = version == 0;
    if (r == 0 && version < SCHEMA_VERSION && s->reader) {
        store_set_error(s, "%s is not usable yet: %s", s->path,
                        *fresh ? "it is empty" : "an earlier version of logcap wrote it; start the agent once");
        return *fresh ? -ENODATA : -ESTALE;
    }
    if (r == 0 && version < SCHEMA_VERSION)
        r = migrate(s, version);
    if (r == 0)
        r = prepare(s);
    if (r == 0 && (r = file_stat(s->path, &st)) == 0)
        s->inode = st.st_ino;
    return r;
}

/* The number behind state.db.broken-, or 0. */
static unsigned broken_number(const char *name)
{
    static const char prefix[] = "state.db.broken-";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return 0;
    char *end;
    unsigned long n = strtoul(name + sizeof prefix - 1, &end, 10);
    return n < UINT_MAX ? (unsigned)n : 0;
}

static const char *const suffixes[] = {"", "-wal", "-shm"};

static void path_with(char out[PATH_MAX], const struct store *s, unsigned number, const char *suffix)
{
    if (number)
        snprintf(out, PATH_MAX, "%s.broken-%u%s", s->path, number, suffix);
    else
        snprintf(out, PATH_MAX, "%s%s", s->path, suffix);
}

/* Highest number in use; whatever is at or below `keep_above` is removed. */
static unsigned broken_scan(struct store *s, unsigned keep_above)
{
    unsigned highest = 0;
    struct dir d;
    if (dir_open(&d, &s->scope, s->dir) < 0)
        return 0;
    for (struct dirent *e; (e = dir_next(&d));) {
        unsigned n = broken_number(e->d_name);
        if (n > highest)
            highest = n;
        if (n && n <= keep_above) {
            char path[PATH_MAX];
            snprintf(path, sizeof path, "%s/%s", s->dir, e->d_name);
            (void)file_unlink(path);
        }
    }
    dir_close(&d);
    return highest;
}

unsigned store_db_broken(struct store *s)
{
    unsigned n = 0;
    struct dir d;
    if (dir_open(&d, &s->scope, s->dir) < 0)
        return 0;
    for (struct dirent *e; (e = dir_next(&d));) {
        size_t length = strlen(e->d_name);
        n += broken_number(e->d_name) && e->d_name[length - 1] >= '0' && e->d_name[length - 1] <= '9';
    }
    dir_close(&d);
    return n;
}

static int set_aside(struct store *s)
{
    char reason[sizeof s->error], from[PATH_MAX], to[PATH_MAX];
    snprintf(reason, sizeof reason, "%s", s->error);
    store_db_close(s);
    unsigned number = broken_scan(s, 0) + 1;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        path_with(from, s, 0, suffixes[i]);
        path_with(to, s, number, suffixes[i]);
        int r = file_rename(from, to);
        if (r < 0 && r != -ENOENT) {
            store_set_error(s, "cannot set %s aside: %s", from, strerror(-r));
            return r;
        }
    }
    path_with(to, s, number, "");
    log_error("store", "%s; it is set aside as %s and a new one is begun", reason, to);
    if (number > BROKEN_KEPT)
        broken_scan(s, number - BROKEN_KEPT);
    s->damaged = false;
    s->set_aside++;
    return 0;
}

static int try_open(struct store *s)
{
    bool fresh = false;
    int r = open_checked(s, &fresh);
    if (r == 0 && fresh)
        r = fill(s);
    if (r < 0) {
        store_db_close(s);
        return r;
    }
    if (fresh)
        s->generation++;
    s->opened_once = true;
    s->failed = 0;
    return 0;
}

int store_db_open(struct store *s)
{
    store_db_close(s);
    if (!s->damaged) {
        int r = try_open(s);
        if (!s->damaged || s->reader)
            return r;
    }
    /* A read that failed just once can look like damage: nothing is set aside unless it is seen twice. */
    s->damaged = false;
    s->confirm = true;
    int r = try_open(s);
    s->confirm = false;
    if (!s->damaged)
        return r;
    r = set_aside(s);
    return r < 0 ? r : try_open(s);
}

int store_db_look(struct store *s)
{
    char wal[PATH_MAX];
    struct stat st = {.st_size = 1};
    path_with(wal, s, 0, "-wal");
    s->reader = true;
    int r = try_open(s);
    /* Without its WAL the file alone could be half of what it was. */
    s->immutable = r < 0 && !s->damaged && (file_stat(wal, &st) == -ENOENT || st.st_size == 0);
    if (s->immutable)
        r = try_open(s);
    s->reader = s->immutable = s->damaged = false;
    s->doubtful = r == 0;
    return r;
}
