#include "store/store_verify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "store/store_fallback.h"
#include "store/store_internal.h"

/* ---- the database ---- */

struct counting {
    struct store_part *part;
    bool (*ledger)(const struct store_ledger *row, void *arg);
    void *arg;
};

static bool count_source(const struct store_source *row, void *arg)
{
    ((struct counting *)arg)->part->sources++;
    return true;
}

static bool count_position(const struct store_position *row, void *arg)
{
    ((struct counting *)arg)->part->positions++;
    return true;
}

static bool count_file(const struct store_file *row, void *arg)
{
    ((struct counting *)arg)->part->files++;
    return true;
}

static bool count_ledger(const struct store_ledger *row, void *arg)
{
    struct counting *c = arg;
    c->part->ledger++;
    return !c->ledger || c->ledger(row, c->arg);
}

static int count_rows(struct store *s, struct counting *c)
{
    int r = store_each_source(s, count_source, c);
    if (r == 0)
        r = store_each_position(s, NULL, count_position, c);
    if (r == 0)
        r = store_each_ledger(s, count_ledger, c);
    return r < 0 ? r : store_each_file(s, NULL, count_file, c);
}

static enum store_state state_of(const struct store *s, int r)
{
    if (r == 0 || r == -ESTALE)
        return STORE_WHOLE;
    if (r == -ENODATA)
        return STORE_NONE;
    return s->damaged ? STORE_DAMAGED : STORE_UNKNOWN;
}

static int look_at_database(struct store *s, struct counting *c)
{
    struct store_part *part = c->part;
    struct stat st;
    if (file_stat(s->path, &st) == -ENOENT) {
        part->state = STORE_NONE;
        snprintf(part->why, sizeof part->why, "there is none");
        return 0;
    }
    s->confirm = true; /* also a large one */
    int r = store_db_open(s);
    if (r == 0)
        r = count_rows(s, c);
    part->state = state_of(s, r);
    part->counted = r == 0;
    if (r < 0)
        snprintf(part->why, sizeof part->why, "%s", store_error(s));
    return r == -ENOMEM ? r : 0;
}

/* ---- the fallback file ---- */

static int add_source(const struct store_source *row, void *arg)
{
    ((struct store_part *)arg)->sources++;
    return 0;
}

static int add_position(const struct store_position *row, void *arg)
{
    ((struct store_part *)arg)->positions++;
    return 0;
}

static int add_file(const struct store_file *row, void *arg)
{
    ((struct store_part *)arg)->files++;
    return 0;
}

static int look_at_fallback(struct store *s, struct store_part *part)
{
    const struct fallback_rows rows = {add_source, add_position, add_file, part};
    int r = fallback_read(&s->scope, s->fallback, &rows);
    part->counted = r == 0;
    part->state = r == 0 ? STORE_WHOLE : r == -ENOENT ? STORE_NONE : r == -EUCLEAN ? STORE_DAMAGED : STORE_UNKNOWN;
    if (r < 0)
        snprintf(part->why, sizeof part->why, "%s",
                 r == -ENOENT    ? "there is none"
                 : r == -EUCLEAN ? "its checksum or a line of it is wrong"
                                 : strerror(-r));
    return r == -ENOMEM ? r : 0;
}

/* ---- both ---- */

int store_verify(struct scope *owner, const char *state_dir, struct store_report *report,
                 bool (*ledger)(const struct store_ledger *row, void *arg), void *arg)
{
    struct counting c = {&report->database, ledger, arg};
    struct stat st;
    *report = (struct store_report){0};
    int r = file_stat(state_dir, &st);
    if (r == 0 && !S_ISDIR(st.st_mode))
        r = -ENOTDIR;
    if (r < 0)
        return r;
    struct store *s = store_begin_in(owner, state_dir, true, &r);
    if (!s)
        return r;
    r = look_at_database(s, &c);
    if (r == 0)
        r = look_at_fallback(s, &report->fallback);
    report->set_aside = store_db_broken(s);
    store_close(s);
    return r;
}

static int set_fallback_aside(struct store *s)
{
    struct store_part part = {0};
    char to[PATH_MAX];
    int r = look_at_fallback(s, &part);
    if (r < 0 || part.state != STORE_DAMAGED)
        return r;
    snprintf(to, sizeof to, "%s.broken", s->fallback);
    r = file_rename(s->fallback, to);
    if (r < 0)
        log_error("store", "cannot set %s aside: %s", s->fallback, strerror(-r));
    else
        log_warn("store", "%s: %s; it is set aside as %s", s->fallback, part.why, to);
    return r;
}

/* An agent that sets the database aside itself knows that everything was lost, and reads all files from their beginning. */
static bool nothing_is_whole(const struct store_report *r)
{
    return r->database.state == STORE_DAMAGED && (r->fallback.state != STORE_WHOLE || r->fallback.sources == 0);
}

int store_repair(struct scope *owner, const char *state_dir)
{
    struct store_report report;
    int r = store_verify(owner, state_dir, &report, NULL, NULL);
    if (r == 0 && nothing_is_whole(&report)) {
        log_error("store", "neither the database nor the fallback file in %s is whole: they are left to the agent, which sets"
                  " them aside when it starts and then reads files from their beginning, so that nothing is lost", state_dir);
        return -ENODATA;
    }
    struct store *s = r == 0 ? store_begin_in(owner, state_dir, false, &r) : NULL;
    if (!s)
        return r;
    r = set_fallback_aside(s);
    if (r == 0) {
        s->damaged = true; /* so that it is looked at as a whole, and set aside if it is */
        r = store_db_open(s);
        if (r == 0)
            r = store_write_fallback(s);
        if (r < 0)
            log_error("store", "%s", store_error(s));
    }
    store_close(s);
    return r;
}
