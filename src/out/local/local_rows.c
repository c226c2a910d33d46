#include "out/local/local_rows.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "out/local/local_file.h"
#include "store/store.h"

int rows_begin(struct local_rows *r, struct scope *owner, struct sink *sink)
{
    *r = (struct local_rows){.sink = sink};
    return scope_begin(&r->scope, owner, "files");
}

static struct local_row *row_new(struct local_rows *r, const char *path)
{
    size_t n = strlen(path) + 1;
    struct local_row *row = mem_new(&r->scope, sizeof *row + n, "output file");
    if (row)
        row->path = memcpy(row + 1, path, n);
    return row;
}

static void lock(struct local_rows *r)
{
    pthread_mutex_lock(&r->sink->book.lock);
}

static void unlock(struct local_rows *r)
{
    pthread_mutex_unlock(&r->sink->book.lock);
}

static void changed(struct local_rows *r, struct local_row *row)
{
    row->changed = true;
    row->changed_at = clock_mono();
    r->changed = true;
    if (r->sink->book.keeper)
        nudge_set(r->sink->book.keeper);
}

struct loading {
    struct local_rows *rows;
    bool failed;
};

static bool load_row(const struct store_file *file, void *arg)
{
    struct loading *l = arg;
    struct local_row *row = row_new(l->rows, file->path);
    if (!row) {
        l->failed = true;
        return false;
    }
    row->length = file->length;
    row->inode = file->inode;
    row->born = file->born;
    row->known = true;
    row->next = l->rows->first;
    l->rows->first = row;
    return true;
}

int rows_load(struct local_rows *r, struct store *store)
{
    struct loading l = {.rows = r};
    r->generation = store_generation(store);
    int result = store_each_file(store, r->sink->name, load_row, &l);
    if (l.failed)
        result = -ENOMEM;
    while (result < 0 && r->first) {
        struct local_row *row = r->first;
        r->first = row->next;
        mem_free(row);
    }
    r->loaded = result == 0;
    return result;
}

bool rows_are_loaded(struct local_rows *r)
{
    lock(r);
    struct nudge *keeper = r->sink->book.keeper;
    bool loaded = r->loaded || !keeper;
    if (!loaded)
        nudge_set(keeper);
    unlock(r);
    return loaded;
}

struct local_row *rows_find(struct local_rows *r, const char *path)
{
    for (struct local_row *row = r->first; row; row = row->next)
        if (!row->gone && strcmp(row->path, path) == 0)
            return row;
    return NULL;
}

struct local_row *rows_add(struct local_rows *r, const char *path, uint64_t length, uint64_t inode)
{
    struct local_row *row = row_new(r, path);
    if (!row)
        return NULL;
    row->length = length;
    row->inode = inode;
    row->born = clock_real();
    lock(r);
    row->next = r->first;
    r->first = row;
    changed(r, row);
    unlock(r);
    return row;
}

void rows_set_length(struct local_rows *r, struct local_row *row, uint64_t length)
{
    lock(r);
    if (row->length != length) {
        row->length = length;
        changed(r, row);
    }
    unlock(r);
}

void rows_drop(struct local_rows *r, struct local_row *row)
{
    lock(r);
    row->gone = true;
    changed(r, row);
    unlock(r);
}

void rows_sweep(struct local_rows *r)
{
    const bool kept = r->sink->book.keeper != NULL;
    lock(r);
    for (struct local_row **at = &r->first; *at;) {
        struct local_row *row = *at;
        if (row->gone && (!kept || (!row->changed && !row->storing))) {
            *at = row->next;
            mem_free(row);
        } else {
            at = &row->next;
        }
    }
    unlock(r);
}

bool row_is_known(const struct local_rows *r, const struct local_row *row)
{
    if (!r->sink->book.keeper)
        return true;
    pthread_mutex_lock(&r->sink->book.lock);
    bool known = (row->known && !row->changed && !row->storing) ||
                 clock_mono() - row->changed_at > ROW_PATIENCE;
    pthread_mutex_unlock(&r->sink->book.lock);
    return known;
}

static void store_all_again(struct local_rows *r, struct store *store)
{
    if (r->generation == store_generation(store))
        return;
    r->generation = store_generation(store);
    for (struct local_row *row = r->first; row; row = row->next)
        r->changed = row->changed = true;
}

/*
 * A commit that fails is tried again: what was handed over stays `storing` until rows_stored(), and
 * is handed over again with what has changed since. Rows that are gone go first: another row may
 * have taken their path.
 */
int rows_put(struct book_rows *rows, struct store *store)
{
    struct local_rows *r = container_of(rows, struct local_rows, book_rows);
    const char *sink = r->sink->name;
    int result = 0;
    if (!r->loaded) {
        (void)rows_load(r, store); /* else asked again; the others' commit does not depend on it */
        return 0;
    }
    store_all_again(r, store);
    if (!r->changed)
        return 0;
    for (int gone = 1; gone >= 0; gone--)
        for (struct local_row *row = r->first; row && result == 0; row = row->next) {
            if (row->gone != gone || !(row->changed || row->storing))
                continue;
            struct store_file file = {sink, row->path, row->length, row->inode, row->born};
            result = gone ? store_delete_file(store, sink, row->path)
                          : store_put_file(store, &file);
            row->changed = false;
            row->storing = true;
        }
    return result;
}

void rows_stored(struct book_rows *rows)
{
    struct local_rows *r = container_of(rows, struct local_rows, book_rows);
    pthread_mutex_lock(&rows->book->lock);
    bool any = r->changed;
    r->changed = false;
    for (struct local_row *row = r->first; any && row; row = row->next) {
        row->known |= row->storing;
        row->storing = false;
        r->changed |= row->changed;
    }
    struct nudge *wake = any ? r->stored : NULL;
    if (wake)
        nudge_set(wake);
    pthread_mutex_unlock(&rows->book->lock);
}
