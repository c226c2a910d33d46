#include "in/journal/journal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "in/journal/journal_internal.h"

#define OPEN_AGAIN (30 * SECOND)

/* ---- the handle ---- */

static void handle_end(struct thing *t)
{
    struct journal *j = container_of(t, struct journal, handle);
    libsystemd.journal_close(j->sd);
    j->sd = NULL;
}

static void close_journal(struct journal *j)
{
    watch_end(&j->ready);
    fd_close(&j->wake);
    thing_end(&j->handle);
}

static const char none[] = "this host has none";
static const char closed[] = "it may not be read (group systemd-journal), or is that of another machine";

/* It is read by default only, and never was there. */
static bool may_be_missing(const struct journal *j)
{
    return !j->placed && !config_mentions(j->config, "monitors.journal.");
}

static void missing(struct journal *j, const char *why)
{
    close_journal(j);
    source_set_error(j->source, "%s", why);
    atomic_store(&j->source->state, why == none && may_be_missing(j) ? SOURCE_IDLE : SOURCE_FAILED);
    if (!j->said_missing)
        log_info("journal", "no journal is read: %s; looking again every 30 s", why);
    j->said_missing = true;
    timer_set(&j->again, OPEN_AGAIN);
}

static void on_ready(struct watch *w, uint32_t events);

static int open_sd(sd_journal **sd, const struct config *c)
{
    int r = libsystemd_open();
    if (r < 0)
        return r;
    return c->journal.directory[0] ? libsystemd.journal_open_directory(sd, c->journal.directory, 0)
                                   : libsystemd.journal_open(sd, SD_JOURNAL_LOCAL_ONLY);
}

static int open_handle(struct journal *j)
{
    int r = thing_begin(&j->handle, &j->scope, BIRTH_HANDLE, "sd_journal", 0, handle_end);
    if (r < 0)
        return r;
    r = open_sd(&j->sd, j->config);
    if (r < 0) {
        thing_unborn(&j->handle);
        j->sd = NULL;
        return r;
    }
    libsystemd.journal_set_data_threshold(j->sd, 0);
    r = libsystemd.journal_get_fd(j->sd);
    if (r >= 0)
        r = fd_of_library(&j->wake, &j->scope, r, "journal inotify");
    if (r == 0)
        r = watch_begin(&j->ready, &j->scope, j->loop, j->wake.n, (uint32_t)libsystemd.journal_get_events(j->sd), on_ready);
    return r;
}

static bool has_files(sd_journal *sd, const struct config *c)
{
    return c->journal.directory[0] || libsystemd.journal_has_persistent_files(sd) > 0 || libsystemd.journal_has_runtime_files(sd) > 0;
}

static bool is_missing(struct scope *scope, const struct config *c)
{
    return !c->journal.directory[0] && !files_are_there(scope);
}

struct glance {
    struct thing thing;
    sd_journal *sd;
};

static void glance_end(struct thing *t)
{
    libsystemd.journal_close(container_of(t, struct glance, thing)->sd);
}

const char *journal_missing(struct scope *scope, const struct config *config)
{
    struct glance g = {0};
    if (is_missing(scope, config))
        return none;
    int r = thing_begin(&g.thing, scope, BIRTH_HANDLE, "sd_journal", 0, glance_end);
    if (r < 0)
        return strerror(-r);
    r = open_sd(&g.sd, config);
    if (r < 0) {
        thing_unborn(&g.thing);
        return strerror(-r);
    }
    const char *why = has_files(g.sd, config) ? NULL : closed;
    thing_end(&g.thing);
    return why;
}

static void open_journal(struct journal *j)
{
    if (is_missing(&j->scope, j->config)) {
        missing(j, none);
        return;
    }
    int r = open_handle(j);
    if (r < 0) {
        missing(j, strerror(-r));
        return;
    }
    if (!has_files(j->sd, j->config)) {
        missing(j, closed);
        return;
    }
    files_say_damaged(j);
    r = j->placed ? place_again(j) : place_first(j);
    if (r < 0) {
        missing(j, r == -ENODATA ? "it ends before the entry that was read last" : strerror(-r));
        return;
    }
    j->placed = true;
    j->said_missing = false;
    source_set_error(j->source, NULL);
    nudge_set(&j->work);
}

/* ---- reading ---- */

static void fail(struct journal *j, int err)
{
    if (!j->failed)
        log_warn("journal",
                 "cannot read on: %s; a damaged journal file is left out, the others go on",
                 strerror(err));
    j->failed = true;
    atomic_fetch_add(&j->source->truncations, 1);
    missing(j, strerror(err));
    timer_set(&j->again, SECOND);
}

/* Room for the entry at hand, or for what a turn reads. NULL: comes again when there is memory. */
static struct batch *new_batch(struct journal *j, const struct entry *e)
{
    uint64_t size = JOURNAL_BATCH + (e ? e->len : 0);
    struct batch *b = batch_new(j->dispatcher->pool, j->source, (uint32_t)size, JOURNAL_MARKS);
    if (!b) {
        atomic_store(&j->source->state, SOURCE_WAITING);
        if (errno == EDQUOT)
            pool_wait(j->dispatcher->pool, &j->memory);
        else
            timer_set(&j->again, SECOND);
        return NULL;
    }
    b->ordinal = true;
    b->from = j->next;
    return b;
}

/* Steps over entries until one is ours. 1: it is at hand; 0: the journal ends, or the turn is over
 * (*more). */
static int next_entry(struct journal *j, struct entry *e, bool *more)
{
    for (int n = 0; n < JOURNAL_MARKS; n++) {
        int r = j->at_entry ? 1 : libsystemd.journal_next(j->sd);
        if (r <= 0)
            return r;
        j->at_entry = true;
        r = entry_read(j, e);
        if (r > 0)
            return 1;
        if (r < 0 && r != -EBADMSG && r != -E2BIG)
            return r;
        if (r < 0)
            log_warn("journal", "left out a damaged entry: %s", strerror(-r));
        place_keep_cursor(j);
        j->at_entry = false;
        j->passed_over++;
    }
    *more = true;
    return 0;
}

static void hand_over(struct journal *j, struct batch *b)
{
    b->to = j->next;
    memcpy(b->cursor, j->cursor, sizeof b->cursor);
    atomic_store(&j->source->offset, j->next);
    atomic_store(&j->source->last_read, clock_real());
    atomic_fetch_add(&j->source->cut_bytes, b->cut_bytes);
    j->passed_over = 0;
    dispatch(j->dispatcher, b);
}

/* One batch. 1: there is more to read; 0: that was all; -errno. */
static int read_batch(struct journal *j)
{
    struct batch *b = NULL;
    bool more = false;
    int r;
    for (;;) {
        struct entry e = {0};
        r = next_entry(j, &e, &more);
        if (r <= 0)
            break;
        if (!b && !(b = new_batch(j, &e)))
            return 0;
        r = entry_add(j, b, &e);
        if (r < 0)
            break;
        j->next += e.records;
        memcpy(j->cursor, e.cursor, sizeof j->cursor);
        j->at_entry = false;
    }
    if (r == -ENOSPC) {
        more = true;
        r = 0;
    }
    /* What is passed over moves the positions too, now and then. */
    if (!b && r == 0 && j->passed_over >= JOURNAL_MARKS / 4)
        b = new_batch(j, NULL);
    if (b && (b->n || j->passed_over))
        hand_over(j, b);
    else if (b)
        batch_drop(b);
    return r < 0 ? r : more;
}

static void set_timeout(struct journal *j)
{
    uint64_t usec;
    if (libsystemd.journal_get_timeout(j->sd, &usec) < 0 || usec == UINT64_MAX)
        return;
    int64_t left = (int64_t)usec * MICROSECOND - clock_mono();
    timer_set(&j->again, left > 0 ? left : 0);
}

static void on_work(struct nudge *n)
{
    struct journal *j = container_of(n, struct journal, work);
    if (!j->sd)
        return;
    if (!dispatch_ready(j->dispatcher, &j->work)) {
        atomic_store(&j->source->state, SOURCE_WAITING);
        return;
    }
    atomic_store(&j->source->state, SOURCE_READING);
    int r = read_batch(j);
    if (r == -ENOMEM) {
        timer_set(&j->again, SECOND);
    } else if (r < 0) {
        fail(j, -r);
    } else if (r > 0) {
        nudge_set(&j->work);
    } else if (!j->memory.waiting && !timer_is_set(&j->again)) {
        j->failed = false;
        atomic_store(&j->source->state, SOURCE_IDLE);
        set_timeout(j);
    }
}

static void process(struct journal *j)
{
    int r = libsystemd.journal_process(j->sd);
    if (r < 0)
        fail(j, -r);
    else
        nudge_set(
            &j->work); /* after NOP too: what was appended before the watch began woke nobody */
}

static void on_ready(struct watch *w, uint32_t events)
{
    process(container_of(w, struct journal, ready));
}

static void on_again(struct timer *t)
{
    struct journal *j = container_of(t, struct journal, again);
    if (j->sd)
        process(j);
    else if (j->config->journal.enabled)
        open_journal(j);
}

/* ---- life ---- */

static int new_source(struct journal *j)
{
    const char *directory = j->config->journal.directory;
    const char *key = directory[0] ? scope_printf(&j->scope, "journal:%s", directory) : "journal";
    if (!key)
        return -ENOMEM;
    j->source = source_obtain(SOURCE_JOURNAL, key, directory[0] ? directory : "journal");
    if (!j->source)
        return -errno;
    j->source->matched = "monitors.journal";
    return 0;
}

int journal_begin(struct journal **out, struct scope *owner, struct loop *loop,
                  const struct config *config, struct dispatcher *dispatcher, struct past *past)
{
    *out = NULL;
    struct journal *j = scope_new(owner, sizeof *j, "journal");
    if (!j)
        return -errno;
    j->loop = loop;
    j->config = config;
    j->dispatcher = dispatcher;
    j->past = past;
    snprintf(j->pid, sizeof j->pid, "%d", (int)getpid());
    j->memory.wake = &j->work;
    int r = nudge_begin(&j->work, &j->scope, loop, "journal work", on_work);
    if (r == 0)
        r = timer_begin(&j->again, &j->scope, loop, "journal again", on_again);
    if (r == 0 &&
        !(j->streams = mem_new(&j->scope, JOURNAL_STREAMS * sizeof *j->streams, "journal streams")))
        r = -errno;
    if (r == 0)
        r = new_source(j);
    if (r < 0) {
        scope_end(&j->scope);
        return r;
    }
    open_journal(j);
    *out = j;
    return 0;
}

void journal_reload(struct journal *j, const struct config *config)
{
    j->config = config;
    entry_forget_streams(j);
    if (!config->journal.enabled) {
        close_journal(j);
        timer_clear(&j->again);
        source_set_error(j->source, NULL);
        atomic_store(&j->source->state, SOURCE_IDLE);
    } else if (!j->sd) {
        open_journal(j);
    }
}

void journal_end(struct journal *j)
{
    if (!j)
        return;
    pool_wait_cancel(j->dispatcher->pool, &j->memory);
    dispatch_forget(j->dispatcher, &j->work);
    close_journal(j);
    entry_forget_streams(j);
    source_unref(j->source);
    scope_end(&j->scope);
}
