/*
 * store_fallback: the file `positions`: what must not be lost when state.db is.
 *
 * Lines of fields that tabs separate; a field that is NULL is left out at the end of its line:
 *
 *     logcap-positions <TAB> 1
 *     source   <TAB> key <TAB> name <TAB> seen [<TAB> identity]
 *     position <TAB> source's key <TAB> sink <TAB> offset <TAB> tail hash [<TAB> cursor]
 *     file     <TAB> sink <TAB> path <TAB> length <TAB> inode <TAB> born
 *     checksum <TAB> XXH64 of all bytes before this line, 16 hex digits
 *
 * In strings, control bytes and the backslash are written \xHH, and nothing else is. Numbers are decimal,
 * without leading zeros. The reader takes a file as a whole or not at all: the checksum must hold before a
 * row is given out, and a line that is not as written ends it.
 */
#pragma once

#include "base/fd.h"
#include "store/store.h"

/* What a reader does with the rows; each returns 0 or -errno, which ends the reading. */
struct fallback_rows {
    int (*source)(const struct store_source *row, void *arg);
    int (*position)(const struct store_position *row, void *arg);
    int (*file)(const struct store_file *row, void *arg);
    void *arg;
};

/* Reads `size` bytes, which it changes; data[size] must be writable. -EUCLEAN: not a whole good file. */
int fallback_parse(char *data, size_t size, const struct fallback_rows *rows);

/* Reads the file. -ENOENT: there is none. */
int fallback_read(struct scope *owner, const char *path, const struct fallback_rows *rows);

/* Writes all rows of the store to `path` with `.new` appended, syncs, renames, syncs the directory. */
int fallback_write(struct scope *owner, struct store *store, const char *path);
