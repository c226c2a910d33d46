#include "out/local/local_file.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "out/entry.h"
#include "out/local/local_pattern.h"
#include "out/local/local_rotate.h"

enum { PIECES = 512, JSON_CHUNK = 256 << 10, JSON_LIMIT = 64 << 20 };
static const int64_t BACKOFF_MIN = SECOND, BACKOFF_MAX = 30 * SECOND, HOUSEKEEPING = MINUTE;

/* Where the entries of one stream of the lease at hand go. */
struct slot {
    struct output *output;
    int64_t hour; /* of the times that this holds for */
};

struct local_file {
    struct scope scope;
    struct sink *sink;
    struct pattern *pattern;
    struct local_rows rows;
    struct outputs outputs;
    struct housekeeping housekeeping;
    struct nudge stored;
    struct timer sync, retry, tidy, give_up;
    struct lease *head, **tail; /* all leases held, in order */
    struct lease *next; /* the first that is not written; those before it wait for the sync */
    uint64_t unsynced;  /* cost of the leases before `next` */
    int64_t backoff;
    struct slot slots[BATCH_STREAMS];
    struct output *current; /* whose pieces are gathered */
    struct iovec pieces[PIECES];
    int n_pieces;
    struct buf json;
};

static struct lease *after(const struct lease *l)
{
    return l->context;
}

/* ---- one lease ---- */

static struct output *find_output(struct local_file *f, const struct batch *b, const struct mark *m)
{
    struct slot *slot = &f->slots[m->stream];
    int64_t hour = pattern_is_timed(f->pattern) ? m->time / HOUR : 0;
    if (slot->output && slot->hour == hour)
        return slot->output;
    char name[PATTERN_PATH];
    pattern_expand(f->pattern, b->streams[m->stream], m->time, name);
    slot->output = output_get(&f->outputs, name);
    slot->hour = hour;
    return slot->output;
}

static bool wants_rotation(struct local_file *f, const struct output *o)
{
    const struct local_file_config *c = &f->sink->config->local_file;
    if (!o->row || o->rotated || o->length == 0)
        return false;
    return (c->rotate_size && o->length >= c->rotate_size) ||
           (c->rotate_age && clock_real() - o->row->born >= c->rotate_age);
}

static int sync_now(struct local_file *f);

static int prepare_output(struct local_file *f, struct output *o)
{
    int r = 0;
    if (o->row && !o->rotated)
        r = output_check(&f->outputs, o);
    if (r > 0)
        r = sync_now(f);
    if (r == 0 && wants_rotation(f, o)) {
        r = sync_now(f);
        if (r == 0)
            r = output_rotate(&f->outputs, o);
    }
    return r < 0 ? r : output_prepare(&f->outputs, o);
}

/* Before the first byte: every file of the lease is there, and the store knows it. */
static int prepare(struct local_file *f, struct lease *l)
{
    const struct output *last = NULL;
    int result = 0;
    memset(f->slots, 0, sizeof f->slots);
    for (uint32_t i = l->first, next; lease_next(l, &i, &next); i = next) {
        struct output *o = find_output(f, l->batch, &l->batch->marks[i]);
        if (!o)
            return -ENOMEM;
        if (o == last)
            continue;
        last = o;
        int r = prepare_output(f, o);
        if (r < 0 && r != -EAGAIN)
            return r;
        if (r < 0)
            result = r; /* the others are announced in the same commit */
    }
    return result;
}

/* While the head waits for the store, the files of those behind it are announced in the same
 * commit. */
static void announce(struct local_file *f, struct lease *l)
{
    memset(f->slots, 0, sizeof f->slots);
    for (uint32_t i = l->first, next; lease_next(l, &i, &next); i = next) {
        struct output *o = find_output(f, l->batch, &l->batch->marks[i]);
        if (o && !o->row)
            output_prepare(&f->outputs, o); /* an error comes again in its turn */
    }
}

static int flush(struct local_file *f)
{
    int r = 0;
    if (f->json.len > 0) {
        f->pieces[0] = (struct iovec){f->json.data, f->json.len};
        f->n_pieces = 1;
    }
    if (f->n_pieces > 0)
        r = output_write(&f->outputs, f->current, f->pieces, f->n_pieces);
    f->n_pieces = 0;
    buf_clear(&f->json);
    return r;
}

static int add_piece(struct local_file *f, const char *data, size_t len)
{
    if (f->n_pieces > 0) {
        struct iovec *last = &f->pieces[f->n_pieces - 1];
        if ((const char *)last->iov_base + last->iov_len == data) {
            last->iov_len += len;
            return 0;
        }
    }
    if (f->n_pieces == PIECES) {
        int r = flush(f);
        if (r < 0)
            return r;
    }
    f->pieces[f->n_pieces++] = (struct iovec){(char *)data, len};
    return 0;
}

/*
 * The line as it was, its line end too where it follows in the batch; so that lines that follow
 * each other in the source are one piece.
 */
static int add_text(struct local_file *f, const struct batch *b, uint32_t i, uint32_t next)
{
    int r = 0;
    for (; i < next && r == 0; i++) {
        const struct mark *m = &b->marks[i];
        const char *end = b->data + m->off + m->len;
        size_t left = b->used - m->off - m->len;
        size_t line_end = i + 1 < next                                    ? 0
                          : left >= 1 && end[0] == '\n'                   ? 1
                          : left >= 2 && end[0] == '\r' && end[1] == '\n' ? 2
                                                                          : 0;
        r = add_piece(f, b->data + m->off, m->len + line_end);
        if (r == 0 && i + 1 == next && line_end == 0)
            r = add_piece(f, "\n", 1);
    }
    return r;
}

static int add_json(struct local_file *f, const struct batch *b, uint32_t i, uint32_t next)
{
    int r = entry_json(&f->json, b, i, next);
    return r == 0 && f->json.len >= JSON_CHUNK ? flush(f) : r;
}

static int write_entries(struct local_file *f, struct lease *l)
{
    const bool json = f->sink->config->local_file.format == FORMAT_JSON;
    int r = 0;
    for (uint32_t i = l->first, next; r == 0 && lease_next(l, &i, &next); i = next) {
        struct output *o = find_output(f, l->batch, &l->batch->marks[i]);
        if (!o)
            return -ENOMEM;
        if (o != f->current) {
            r = flush(f);
            f->current = o;
        }
        if (r == 0)
            r = json ? add_json(f, l->batch, i, next) : add_text(f, l->batch, i, next);
    }
    return r < 0 ? r : flush(f);
}

static int write_lease(struct local_file *f, struct lease *l)
{
    int r = prepare(f, l);
    if (r < 0)
        return r;
    f->current = NULL;
    r = write_entries(f, l);
    if (r < 0) {
        f->n_pieces = 0;
        buf_clear(&f->json);
        outputs_cut_back(&f->outputs, false);
        return r;
    }
    outputs_whole(&f->outputs);
    f->unsynced += l->batch->cost;
    f->next = after(l);
    return 0;
}

/* ---- securing ---- */

static void succeed(struct local_file *f)
{
    struct sink *s = f->sink;
    atomic_store(&s->stats.last_success, clock_real());
    f->backoff = 0;
    if (atomic_exchange(&s->stats.failing, false)) {
        sink_set_error(s, "%s", "");
        log_info(s->name, "writing again");
    }
}

static void fail(struct local_file *f, int err)
{
    struct sink *s = f->sink;
    atomic_fetch_add(&s->stats.request_errors, 1);
    sink_set_error(s, "cannot write in %s: %s", s->config->local_file.directory, strerror(err));
    if (!atomic_exchange(&s->stats.failing, true))
        log_error(s->name, "cannot write in %s: %s; it is tried again, nothing is lost meanwhile",
                  s->config->local_file.directory, strerror(err));
    else
        atomic_fetch_add(&s->stats.retries, 1);
    f->backoff = f->backoff ? 2 * f->backoff : BACKOFF_MIN;
    if (f->backoff > BACKOFF_MAX)
        f->backoff = BACKOFF_MAX;
    timer_set(&f->retry, f->backoff);
}

/* From the first lease again: what was written since the last sync is cut off. */
static void start_over(struct local_file *f)
{
    outputs_cut_back(&f->outputs, true);
    f->next = f->head;
    f->unsynced = 0;
}

/* One moment of the book: the positions say what the lengths say. */
static void secure(struct local_file *f)
{
    struct sink *s = f->sink;
    uint64_t records = 0, bytes = 0;
    pthread_mutex_lock(&s->book.lock);
    outputs_commit(&f->outputs);
    while (f->head != f->next) {
        struct lease *l = f->head;
        f->head = after(l);
        const struct amount n = lease_amount(l);
        records += n.records;
        bytes += n.bytes;
        lease_secured(l, NULL);
    }
    pthread_mutex_unlock(&s->book.lock);
    if (!f->head)
        f->tail = &f->head;
    f->unsynced = 0;
    atomic_fetch_add(&s->stats.records_out, records);
    atomic_fetch_add(&s->stats.bytes_out, bytes);
    atomic_fetch_add(&s->stats.requests, 1);
}

static int sync_now(struct local_file *f)
{
    timer_clear(&f->sync);
    if (f->head == f->next && !f->outputs.dirty)
        return 0;
    int r = outputs_sync(&f->outputs);
    if (r < 0) {
        start_over(f);
        return r;
    }
    secure(f);
    return 0;
}

static void pump(struct local_file *f)
{
    const struct sink_config *c = f->sink->config;
    int r = 0;
    if (timer_is_set(&f->retry))
        return;
    while (f->next && r == 0) {
        r = write_lease(f, f->next);
        if (r == -ESTALE) { /* a file was taken away: what was written to it since the sync is
                               written again */
            start_over(f);
            r = 0;
        } else if (r == 0 && f->unsynced >= c->queue_size / 2) {
            r = sync_now(f);
        }
    }
    if (r < 0 && r != -EAGAIN) {
        if (f->head != f->next)
            sync_now(f); /* what did fit is secured */
        fail(f, -r);
        return;
    }
    if (f->head != f->next && !timer_is_set(&f->sync))
        timer_set(&f->sync, f->sink->stopping ? 0 : c->local_file.sync_interval);
    if (r == -EAGAIN) {
        timer_set(&f->retry, ROW_PATIENCE / 5); /* the store's word comes as a nudge, or never */
        for (struct lease *l = after(f->next); l; l = after(l))
            announce(f, l);
    } else {
        succeed(f);
    }
    if (f->sink->stopping && !f->head)
        timer_set(&f->give_up, 0);
}

static void on_sync(struct timer *t)
{
    struct local_file *f = container_of(t, struct local_file, sync);
    int r = sync_now(f);
    if (r < 0)
        fail(f, -r);
    else
        pump(f);
}

static void on_retry(struct timer *t)
{
    pump(container_of(t, struct local_file, retry));
}

static void on_stored(struct nudge *n)
{
    struct local_file *f = container_of(n, struct local_file, stored);
    housekeeping_stored(&f->housekeeping);
    if (f->backoff == 0)
        timer_clear(&f->retry);
    pump(f);
}

static void on_tidy(struct timer *t)
{
    struct local_file *f = container_of(t, struct local_file, tidy);
    memset(f->slots, 0, sizeof f->slots);
    outputs_close_idle(&f->outputs, clock_mono() - HOUSEKEEPING);
    housekeeping_run(&f->housekeeping);
    timer_set(t, HOUSEKEEPING);
}

static void on_give_up(struct timer *t)
{
    struct local_file *f = container_of(t, struct local_file, give_up);
    sync_now(f);
    outputs_cut_back(&f->outputs, true);
    f->next = NULL; /* a nudge of this turn must not find what is returned */
    while (f->head) {
        struct lease *l = f->head;
        f->head = after(l);
        lease_returned(l);
    }
    f->tail = &f->head;
    sink_drained(f->sink);
}

/* ---- life ---- */

static int create(struct sink *s)
{
    const struct local_file_config *c = &s->config->local_file;
    char why[200] = "out of memory";
    struct local_file *f = scope_new(&s->scope, sizeof *f, "local_file");
    if (!f)
        return -errno;
    f->sink = s;
    f->tail = &f->head;
    int r = 0;
    if (!(f->pattern = pattern_new(&f->scope, c->filename, why, sizeof why))) {
        r = -errno;
        sink_set_error(s, "filename: %s", why);
    }
    if (r == 0)
        r = rows_begin(&f->rows, &f->scope, s);
    if (r == 0)
        r = outputs_begin(&f->outputs, &f->scope, s, &f->rows, c->directory, c->max_open_files);
    if (r == 0)
        r = housekeeping_begin(&f->housekeeping, &f->scope, s, &f->rows);
    if (r == 0)
        r = buf_begin(&f->json, &f->scope, "JSON lines", JSON_LIMIT);
    if (r == 0)
        r = nudge_begin(&f->stored, &f->scope, &s->loop, "rows stored", on_stored);
    if (r == 0)
        r = timer_begin(&f->sync, &f->scope, &s->loop, "sync", on_sync);
    if (r == 0)
        r = timer_begin(&f->retry, &f->scope, &s->loop, "retry", on_retry);
    if (r == 0)
        r = timer_begin(&f->tidy, &f->scope, &s->loop, "housekeeping", on_tidy);
    if (r == 0)
        r = timer_begin(&f->give_up, &f->scope, &s->loop, "give up", on_give_up);
    if (r < 0) {
        scope_end(&f->scope);
        return r;
    }
    f->rows.stored = &f->stored;
    s->state = f;
    f->rows.book_rows = (struct book_rows){.put = rows_put, .stored = rows_stored};
    book_add_rows(&s->book, &f->rows.book_rows);
    return 0;
}

static int local_file_load(struct sink *s, struct store *store)
{
    int r = create(s);
    return r < 0 ? r : rows_load(&((struct local_file *)s->state)->rows, store);
}

static void local_file_unload(struct sink *s)
{
    struct local_file *f = s->state;
    book_remove_rows(&s->book, &f->rows.book_rows);
    scope_end(&f->scope);
}

static int local_file_start(struct sink *s)
{
    int r = s->state ? 0 : create(s);
    if (r < 0)
        return r;
    struct local_file *f = s->state;
    if (!rows_are_loaded(&f->rows)) {
        sink_set_error(s, "cannot read from state.db which files are its own; nothing is written before that");
        return -EAGAIN;
    }
    housekeeping_recover(&f->housekeeping);
    timer_set(&f->tidy, SECOND);
    return 0;
}

static void local_file_take(struct sink *s, struct lease *l)
{
    struct local_file *f = s->state;
    l->context = NULL;
    *f->tail = l;
    f->tail = (struct lease **)&l->context;
    if (!f->next)
        f->next = l;
    if (timer_is_set(&f->retry) && f->backoff == 0)
        announce(f, l);
    pump(f);
}

static void local_file_stop(struct sink *s, int64_t deadline)
{
    struct local_file *f = s->state;
    int64_t left = deadline - clock_mono();
    timer_set(&f->give_up, left > 0 && f->head ? left : 0);
    if (left > 0)
        pump(f);
}

static int local_file_describe(struct sink *s, struct buf *out)
{
    struct local_file *f = s->state;
    uint64_t files = 0, bytes = 0;
    pthread_mutex_lock(&s->book.lock);
    for (const struct local_row *row = f->rows.first; row; row = row->next)
        if (!row->gone) {
            files++;
            bytes += row->length;
        }
    pthread_mutex_unlock(&s->book.lock);
    return buf_printf(out, "\"files\":%llu,\"file_bytes\":%llu", (unsigned long long)files,
                      (unsigned long long)bytes);
}

const struct sink_type local_file_sink = {
    .name = "local_file",
    .load = local_file_load,
    .unload = local_file_unload,
    .start = local_file_start,
    .take = local_file_take,
    .stop = local_file_stop,
    .describe = local_file_describe,
};
