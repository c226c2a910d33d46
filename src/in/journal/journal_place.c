#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "in/journal/journal_internal.h"

enum { WALK_MAX = 200000 };

bool place_cursor(struct journal *j, char cursor[POSITION_CURSOR])
{
    char *text;
    if (libsystemd.journal_get_cursor(j->sd, &text) < 0)
        return false;
    bool fits = snprintf(cursor, POSITION_CURSOR, "%s", text) < POSITION_CURSOR;
    mem_raw_free(text);
    return fits;
}

bool place_keep_cursor(struct journal *j)
{
    return place_cursor(j, j->cursor);
}

uint64_t place_number(const char *cursor)
{
    const char *i = strstr(cursor, "i=");
    return i ? strtoull(i + 2, NULL, 16) : 0;
}

/* Behind the cursor's entry, or before the first that comes after it. */
static int seek_behind(struct journal *j, const char *cursor)
{
    int r = libsystemd.journal_seek_cursor(j->sd, cursor);
    if (r >= 0)
        r = libsystemd.journal_next(j->sd);
    if (r <= 0)
        return r < 0 ? r : -ENODATA;
    if (libsystemd.journal_test_cursor(j->sd, cursor) > 0)
        return 0;
    log_warn(
        "journal",
        "the entry that was read last is not in the journal any more: what was vacuumed before it "
        "was read is lost; going on at the next one");
    atomic_fetch_add(&j->source->rotations, 1);
    j->at_entry = true;
    return 0;
}

int place_again(struct journal *j)
{
    j->at_entry = false;
    return j->cursor[0] ? seek_behind(j, j->cursor) : libsystemd.journal_seek_head(j->sd);
}

/* The realtime stamp within a cursor, "t=HEX", in microseconds. */
static uint64_t cursor_time(const char *cursor)
{
    const char *t = strstr(cursor, ";t=");
    return t ? strtoull(t + 3, NULL, 16) : 0;
}

/* Whether the sink's place was found at the entry at hand; `before` records were counted before it.
 */
static bool settle(struct journal *j, struct account *a, const char *cursor, uint64_t before,
                   uint64_t records)
{
    uint64_t usec = 0;
    bool here = libsystemd.journal_test_cursor(j->sd, cursor) > 0;
    libsystemd.journal_get_realtime_usec(j->sd, &usec);
    if (!here && usec <= cursor_time(cursor))
        return false;
    account_place(a, &(struct position){.offset = here ? before + records : before, .cursor = cursor});
    return true;
}

/*
 * Where the other sinks stand, counted from where reading starts: filters or the limit for lines
 * may have changed since their ordinals were stored.
 */
static int walk(struct journal *j)
{
    struct {
        struct account *account;
        char cursor[POSITION_CURSOR];
        bool open;
    } at[SINKS_MAX] = {0};
    unsigned open = 0, n_at = 0;
    uint64_t count = j->next;
    EACH_ACCOUNT(a, j->source) {
        struct position p;
        struct counts counts;
        at[n_at].account = a;
        account_read(a, &p, at[n_at].cursor, &counts);
        at[n_at].open = p.cursor && strcmp(at[n_at].cursor, j->cursor) != 0;
        open += at[n_at++].open;
    }
    if (!open)
        return 0;
    bool here = j->at_entry;
    for (int n = 0; open && n < WALK_MAX; n++) {
        struct entry e = {0};
        int r = here ? 1 : libsystemd.journal_next(j->sd);
        if (r <= 0)
            break;
        here = false;
        uint32_t records = entry_read(j, &e) > 0 ? e.records : 0;
        for (unsigned i = 0; i < n_at; i++)
            if (at[i].open && settle(j, at[i].account, at[i].cursor, count, records)) {
                at[i].open = false;
                open--;
            }
        count += records;
    }
    for (unsigned i = 0; open && i < n_at; i++)
        if (at[i].open) /* too far on: what it has comes again, nothing is lost */
            account_place(at[i].account, &(struct position){.offset = count, .cursor = at[i].cursor});
    return place_again(j);
}

/* The end is stored as a position, so that what is logged while logcap is down is read. */
static int begin_at_end(struct journal *j)
{
    int r = libsystemd.journal_seek_tail(j->sd);
    if (r >= 0)
        r = libsystemd.journal_previous(j->sd);
    if (r <= 0 || !place_keep_cursor(j))
        return r < 0 ? r : 0;
    EACH_ACCOUNT(a, j->source)
        account_place(a, &(struct position){.offset = 0, .cursor = j->cursor});
    source_set_identity(j->source, "journal");
    return 0;
}

int place_first(struct journal *j)
{
    struct past_source *known = j->past ? past_find(j->past, j->source->key) : NULL;
    const bool at_end = j->config->journal.start_at == START_END;
    if (known)
        past_claim(j->past, known, j->source);
    struct position lowest = source_lowest(j->source);
    j->next = lowest.offset;
    snprintf(j->cursor, sizeof j->cursor, "%s", lowest.cursor ? lowest.cursor : "");
    if (!j->cursor[0] && at_end)
        return begin_at_end(j);
    int r = place_again(j);
    return r < 0 ? r : walk(j);
}
