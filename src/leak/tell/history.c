#include "leak/tell/history.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/store_history.h"

enum { MINUTE_S = 60, HOUR_S = 3600, MINUTES_KEPT_S = 7 * 24 * 3600, ROWS_MAX = 2 << 20, ROWS_KEPT = 64 << 10 };

static int put_all(struct history *h)
{
    const struct series_row *rows = (const void *)h->rows.data;
    int r = 0;
    for (size_t i = 0; i < h->rows.len / sizeof *rows && r == 0; i++) {
        const struct store_history row = {rows[i].name, rows[i].length, rows[i].begin, rows[i].least, rows[i].mean, rows[i].most};
        r = store_put_history(h->store, &row);
    }
    return r;
}

static int tidy(struct history *h, int64_t now)
{
    int64_t kept = atomic_load(&h->retention) / SECOND;
    int64_t minutes = kept < MINUTES_KEPT_S ? kept : MINUTES_KEPT_S;
    int r = store_forget_history(h->store, MINUTE_S, now - minutes);
    return r < 0 ? r : store_forget_history(h->store, HOUR_S, now - kept);
}

/* The rows that wait, taken from the table: whatever becomes of them, they do not wait any more. */
static bool take_rows(struct history *h)
{
    buf_clear(&h->rows);
    pthread_mutex_lock(h->lock);
    struct buf *from = &h->table->rows;
    int r = from->len ? buf_add(&h->rows, from->data, from->len) : -ENODATA;
    if (r < 0 && r != -ENODATA)
        atomic_fetch_add(&h->dropped, from->len / sizeof(struct series_row));
    buf_clear(from);
    buf_shrink(from, ROWS_KEPT);
    pthread_mutex_unlock(h->lock);
    return r == 0;
}

static void store_rows(struct history *h)
{
    if (!take_rows(h))
        return;
    int64_t now = clock_real() / SECOND;
    bool due = h->tidied != now / HOUR_S;
    int r = store_begin(h->store);
    bool begun = r == 0;
    if (r == 0)
        r = put_all(h);
    if (r == 0 && due)
        r = tidy(h, now);
    if (r == 0)
        r = store_commit(h->store);
    else if (begun)
        store_rollback(h->store);
    if (r == 0) {
        atomic_fetch_add(&h->stored, h->rows.len / sizeof(struct series_row));
        h->tidied = now / HOUR_S;
    } else {
        atomic_fetch_add(&h->dropped, h->rows.len / sizeof(struct series_row));
        log_warn("leaks", "a minute of history cannot be kept: %s", store_error(h->store));
    }
    buf_shrink(&h->rows, ROWS_KEPT);
}

static void minute(struct timer *t)
{
    struct history *h = container_of(t, struct history, minute);
    store_rows(h);
    timer_set(t, MINUTE);
}

static int guest_begin(struct keeper_guest *g, struct scope *owner, struct loop *loop, struct store *store)
{
    struct history *h = container_of(g, struct history, guest);
    int r = buf_begin(&h->rows, owner, "history rows", ROWS_MAX);
    if (r == 0)
        r = timer_begin(&h->minute, owner, loop, "history", minute);
    if (r < 0)
        return r;
    h->store = store;
    timer_set(&h->minute, MINUTE);
    return 0;
}

/* The watch has ended before the keeper: what it saw last is kept. */
static void guest_end(struct keeper_guest *g)
{
    struct history *h = container_of(g, struct history, guest);
    if (h->store)
        store_rows(h);
    h->store = NULL;
}

void history_prepare(struct history *h, struct series_table *table, pthread_mutex_t *lock, int64_t retention)
{
    table->kept = true;
    *h = (struct history){.guest = {.begin = guest_begin, .end = guest_end}, .table = table, .lock = lock, .retention = retention};
}
