/* What store.c (rows) and store_db.c (the database as a whole) share. Nobody else includes it. */
#pragma once

#include <limits.h>
#include <sqlite3.h>
#include <sys/types.h>

#include "base/fd.h"
#include "store/store.h"

enum { STORE_LETTER_STATEMENTS = 11 }; /* of store_letters.c */

enum statement {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_PUT_SOURCE,
    ST_PUT_POSITION,
    ST_PUT_LEDGER,
    ST_PUT_FILE,
    ST_PUT_SPOOL,
    ST_DELETE_SPOOL,
    ST_PURGE_SPOOLED,
    ST_DELETE_FILE,
    ST_DELETE_SOURCE,
    ST_DELETE_SOURCE_POSITIONS,
    ST_DELETE_SOURCE_LEDGER,
    ST_DELETE_POSITIONS,
    ST_FORGET_POSITIONS,
    ST_FORGET_LEDGER,
    ST_FORGET_SOURCES,
    ST_EACH_SOURCE,
    ST_EACH_POSITION,
    ST_EACH_LEDGER,
    ST_EACH_FILE,
    ST_EACH_SPOOL,
    ST_PUT_SETTINGS,
    ST_PUT_INTENT,
    ST_DELETE_INTENTS,
    ST_DELETE_SOURCE_INTENTS,
    ST_FORGET_INTENTS,
    ST_FORGET_SETTINGS,
    ST_EACH_INTENT,
    ST_EACH_SETTINGS,
    ST_PUT_SERIES,
    ST_PUT_HISTORY,
    ST_FORGET_HISTORY,
    ST_EACH_HISTORY,
    ST_LETTERS, /* its first */
    STATEMENTS = ST_LETTERS + STORE_LETTER_STATEMENTS
};

struct store {
    struct scope scope;
    struct scope files;    /* SQLite's descriptors; begun before `handle`, so that they outlive it */
    struct thing handle;   /* of `db`; alive while that is open */
    sqlite3 *db;           /* NULL: cannot be opened now; store_begin() tries again */
    sqlite3_stmt *statements[STATEMENTS];
    struct fd lock;
    bool vfs, reader, immutable;
    bool damaged;          /* `db` must be set aside */
    bool confirm;          /* whether it is: check the pages of a large one too */
    bool doubtful;         /* `db` must be opened anew */
    bool opened_once;
    int failed;            /* what failed first in this transaction, or 0 */
    ino_t inode;           /* of state.db as we opened it */
    uint64_t set_aside, generation;
    const char *dir, *path, *fallback;
    char error[256];
};

/* A store whose database is not open yet; a writer has the lock. NULL: -errno in *error. */
struct store *store_begin_in(struct scope *owner, const char *state_dir, bool reader, int *error);

/* Opens, repairs, or begins the database, so that `db` is usable. 0 or -errno. */
int store_db_open(struct store *s);
/* The same only to read what it says now, for who cannot write: the next store_begin() opens it anew. */
int store_db_look(struct store *s);
void store_db_close(struct store *s);
/* How many databases are set aside in its directory. */
unsigned store_db_broken(struct store *s);
/* Whether somebody moved or deleted the file under us. */
bool store_db_moved(const struct store *s);
/* Turns SQLite's answer into -errno, keeps the sentence, and remembers what it means for the database. */
int store_failed(struct store *s, int rc, const char *doing);
void store_set_error(struct store *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* store_letters.c's tables and texts. */
extern const char store_letters_schema[];
extern const char *const store_letters_texts[STORE_LETTER_STATEMENTS];

/* Those of store_letters.c are prepared when they are first used: most agents never do. 0 or -errno. */
int store_prepare(struct store *s, enum statement which);
/* For those who have rows of their own. NULL: s->failed says why. What failed once in a transaction fails until its end. */
sqlite3_stmt *store_writable(struct store *s, enum statement which);
/* 0 or -errno, and the statement is ready for its next use. */
int store_readable(struct store *s, enum statement which, sqlite3_stmt **st);
/* Of a column that is never NULL: SQLite says NULL when it has no memory, and *rc becomes SQLITE_NOMEM then. */
const char *store_text(sqlite3_stmt *st, int at, int *rc);
int store_done(struct store *s, int rc, sqlite3_stmt *st, const char *doing);
void store_bind_text(sqlite3_stmt *st, int at, const char *text); /* NULL too; must outlive the step */
