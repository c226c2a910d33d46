/*
 * local_rows: the files that a local_file sink made, as the store knows them: path, inode, secured
 * length.
 *
 * A row is what makes a file ours: only files with a row are ever cut, renamed, compressed or
 * deleted, and only while the inode at the path is the row's. Its length is what is secured; what a
 * file holds beyond it was written by a process that died before it could say so, is read again
 * from its source, and is cut off at the start.
 *
 * Order of truth: a row is stored *before* what it announces is done (a file written to, a rename,
 * a deletion), see row_is_known(). Rows go to the store with the book's commit, so that positions
 * and lengths are of one moment.
 *
 * A database that is begun anew while the agent runs gets all rows with the next commit.
 *
 * Threads: rows belong to the sink's thread; what the keeper reads is behind the book's lock.
 */
#pragma once

#include "core/sink.h"

struct local_row {
    struct local_row *next;
    char *path;
    int64_t born;       /* clock_real(): when it was made, or rotated */
    int64_t changed_at; /* clock_mono() of the last change */
    bool open;          /* an output writes to it, or it is being compressed: hands off */
    bool plain;         /* could not be compressed: stays as it is until the next start */
    /* behind the book's lock */
    uint64_t length, inode;
    bool changed, storing, known, gone;
};

struct local_rows {
    struct scope scope;
    struct book_rows book_rows; /* rows_put, rows_stored */
    struct sink *sink;
    struct local_row *first;
    bool changed;         /* any of them; behind the book's lock */
    bool loaded;          /* behind the book's lock */
    uint64_t generation;  /* of the database that has them; behind the book's lock */
    struct nudge *stored; /* nudged when a commit has stored rows; may be NULL */
};

/* Main's thread, or the sink's: before the keeper looks at it. */
int rows_begin(struct local_rows *r, struct scope *owner, struct sink *sink);
int rows_load(struct local_rows *r, struct store *store);
/*
 * Whether it is known which files are ours. Until then none may be written to: ours would look like somebody else's. If not,
 * the keeper is asked to load them; after that they are the sink's thread's. Without a keeper there are none to know.
 */
bool rows_are_loaded(struct local_rows *r);

struct local_row *rows_find(struct local_rows *r, const char *path);
/* NULL: ENOMEM. The caller has made the file, or is about to. */
struct local_row *rows_add(struct local_rows *r, const char *path, uint64_t length, uint64_t inode);
void rows_set_length(struct local_rows *r, struct local_row *row, uint64_t length);
/* Forgets the file: the row is freed once the store has forgotten it too (rows_sweep). */
void rows_drop(struct local_rows *r, struct local_row *row);
void rows_sweep(struct local_rows *r);

/*
 * Whether a crash would find the row. Without a keeper always; and if the store has refused for
 * ROW_PATIENCE, so that a full state disk does not stop the logs: then a crash may repeat lines,
 * never lose them.
 */
#define ROW_PATIENCE (5 * SECOND)
bool row_is_known(const struct local_rows *r, const struct local_row *row);

/* The book's hooks. */
int rows_put(struct book_rows *rows, struct store *store);
void rows_stored(struct book_rows *rows);
