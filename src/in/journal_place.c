#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "in/journal_internal.h"

enum { WALK_MAX = 200000 };

bool place_keep_cursor(struct journal *j)
{
    char *cursor;
    if (sd_journal_get_cursor(j->sd, &cursor) < 0)
        return false;
    bool fits = (size_t)snprintf(j->cursor, sizeof j->cursor, "%s", cursor) < sizeof j->cursor;
    mem_raw_free(cursor);
    return fits;
}

/* Behind the cursor's entry, or before the first that comes after it. */
static int seek_behind(struct journal *j, const char *cursor)
{
    int r = sd_journal_seek_cursor(j->sd, cursor);
    if (r >= 0)
        r = sd_journal_next(j->sd);
    if (r <= 0)
        return r < 0 ? r : -ENODATA;
    if (sd_journal_test_cursor(j->sd, cursor) > 0)
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
    return j->cursor[0] ? seek_behind(j, j->cursor) : sd_journal_seek_head(j->sd);
}

/* The realtime stamp within a cursor, "t=HEX", in microseconds. */
static uint64_t cursor_time(const char *cursor)
{
    const char *t = strstr(cursor, ";t=");
    return t ? strtoull(t + 3, NULL, 16) : 0;
}

/* Whether the sink's place was found at the entry at hand; `before` records were counted before it.
 */
static bool settle(struct journal *j, unsigned sink, const char *cursor, uint64_t before,
                   uint64_t records)
{
    uint64_t usec = 0;
    bool here = sd_journal_test_cursor(j->sd, cursor) > 0;
    sd_journal_get_realtime_usec(j->sd, &usec);
    if (!here && usec <= cursor_time(cursor))
        return false;
    source_resume(j->source, sink,
                  &(struct position){.offset = here ? before + records : before, .cursor = cursor});
    return true;
}

/*
 * Where the other sinks stand, counted from where reading starts: filters or the limit for lines
 * may have changed since their ordinals were stored.
 */
static int walk(struct journal *j)
{
    struct {
        char cursor[POSITION_CURSOR];
        bool open;
    } at[SINKS_MAX] = {0};
    unsigned open = 0;
    uint64_t count = j->next;
    for (unsigned i = 0; i < j->source->n_accounts; i++) {
        struct position p;
        struct counts counts;
        account_read(&j->source->accounts[i], &p, at[i].cursor, &counts);
        at[i].open = p.cursor && strcmp(at[i].cursor, j->cursor) != 0;
        open += at[i].open;
    }
    if (!open)
        return 0;
    bool here = j->at_entry;
    for (int n = 0; open && n < WALK_MAX; n++) {
        struct entry e = {0};
        int r = here ? 1 : sd_journal_next(j->sd);
        if (r <= 0)
            break;
        here = false;
        uint32_t records = entry_read(j, &e) > 0 ? e.records : 0;
        for (unsigned i = 0; i < j->source->n_accounts; i++)
            if (at[i].open && settle(j, i, at[i].cursor, count, records)) {
                at[i].open = false;
                open--;
            }
        count += records;
    }
    for (unsigned i = 0; open && i < j->source->n_accounts; i++)
        if (at[i].open) /* too far on: what it has comes again, nothing is lost */
            source_resume(j->source, i,
                          &(struct position){.offset = count, .cursor = at[i].cursor});
    return place_again(j);
}

/* A sink without a place begins where the configuration says: at the end that is where the furthest
 * one is. */
static void begin_new_sinks_at_end(struct journal *j)
{
    struct position furthest = {0}, p;
    struct counts counts;
    char cursor[POSITION_CURSOR], best[POSITION_CURSOR] = "";
    for (unsigned i = 0; i < j->source->n_accounts; i++) {
        account_read(&j->source->accounts[i], &p, cursor, &counts);
        if (p.cursor && p.offset >= furthest.offset) {
            furthest = p;
            memcpy(best, cursor, sizeof best);
        }
    }
    furthest.cursor = best;
    for (unsigned i = 0; best[0] && i < j->source->n_accounts; i++) {
        account_read(&j->source->accounts[i], &p, cursor, &counts);
        if (!p.cursor)
            source_resume(j->source, i, &furthest);
    }
}

/* The end is stored as a position, so that what is logged while logcap is down is read. */
static int begin_at_end(struct journal *j)
{
    int r = sd_journal_seek_tail(j->sd);
    if (r >= 0)
        r = sd_journal_previous(j->sd);
    if (r <= 0 || !place_keep_cursor(j))
        return r < 0 ? r : 0;
    for (unsigned i = 0; i < j->source->n_accounts; i++)
        source_resume(j->source, i, &(struct position){.offset = 0, .cursor = j->cursor});
    source_set_identity(j->source, "journal");
    return 0;
}

int place_first(struct journal *j)
{
    struct past_source *known = j->past ? past_find(j->past, j->source->key) : NULL;
    const bool at_end = j->config->journal.start_at == START_END;
    if (known)
        past_claim(known, j->source);
    if (known && at_end)
        begin_new_sinks_at_end(j);
    struct position lowest = source_lowest(j->source, NULL);
    j->next = lowest.offset;
    snprintf(j->cursor, sizeof j->cursor, "%s", lowest.cursor ? lowest.cursor : "");
    if (!j->cursor[0] && at_end)
        return begin_at_end(j);
    int r = place_again(j);
    return r < 0 ? r : walk(j);
}
