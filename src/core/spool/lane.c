#include "core/spool/lane.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 64 << 20, PLACE_BITS = 32 }; /* LIST_MAX: never met */

static struct lane_range *ranges(const struct lane *l)
{
    return (void *)l->ranges.data;
}

static size_t n_ranges(const struct lane *l)
{
    return l->ranges.len / sizeof(struct lane_range);
}

static struct lane_flight *flights(const struct lane *l)
{
    return (void *)l->flights.data;
}

static size_t n_flights(const struct lane *l)
{
    return l->flights.len / sizeof(struct lane_flight);
}

int lane_begin(struct lane *l, struct scope *owner)
{
    *l = (struct lane){0};
    int r = buf_begin(&l->ranges, owner, "ranges of the spool", LIST_MAX);
    return r < 0 ? r : buf_begin(&l->flights, owner, "records from the spool", LIST_MAX);
}

void lane_end(struct lane *l)
{
    buf_end(&l->flights);
    buf_end(&l->ranges);
}

int lane_reserve(struct lane *l)
{
    int r = buf_reserve(&l->ranges, sizeof(struct lane_range));
    return r < 0 ? r : buf_reserve(&l->flights, sizeof(struct lane_flight));
}

/* ---- behind all others ---- */

void lane_append(struct lane *l, uint64_t place, uint64_t next, uint64_t barrier)
{
    size_t n = n_ranges(l);
    if (l->barrier < barrier)
        l->barrier = barrier;
    if (n && ranges(l)[n - 1].to >= l->barrier) {
        ranges(l)[n - 1].to = next;
    } else {
        struct lane_range range = {place, next};
        buf_add(&l->ranges, &range, sizeof range);
    }
}

void lane_void(struct lane *l, uint64_t next)
{
    if (l->barrier < next)
        l->barrier = next;
}

/* In the order of places; nearly always the last. */
static void add_flight(struct lane *l, struct lane_flight flight)
{
    buf_add(&l->flights, &flight, sizeof flight);
    struct lane_flight *f = flights(l);
    for (size_t i = n_flights(l) - 1; i > l->landed && f[i - 1].place > flight.place; i--) {
        f[i] = f[i - 1];
        f[i - 1] = flight;
    }
}

void lane_adopt(struct lane *l, uint64_t place, uint64_t next, const struct account *account, uint64_t number)
{
    add_flight(l, (struct lane_flight){place, next, account, number, false});
    lane_void(l, next);
}

/* ---- reading ---- */

uint64_t lane_unread(const struct lane *l)
{
    return n_ranges(l) ? ranges(l)[0].from : LANE_NOTHING;
}

void lane_skip(struct lane *l, uint64_t to)
{
    size_t gone = 0, n = n_ranges(l);
    while (gone < n && ranges(l)[gone].to <= to)
        gone++;
    l->ranges.len -= gone * sizeof(struct lane_range);
    if (n > gone) {
        memmove(ranges(l), ranges(l) + gone, l->ranges.len);
        if (ranges(l)[0].from < to)
            ranges(l)[0].from = to;
    }
}

void lane_take(struct lane *l, uint64_t place, uint64_t next)
{
    add_flight(l, (struct lane_flight){.place = place, .next = next});
    lane_skip(l, next);
}

static struct lane_flight *find_adopted(const struct lane *l, const struct account *account, uint64_t number)
{
    for (size_t i = l->landed; i < n_flights(l); i++) {
        struct lane_flight *f = &flights(l)[i];
        if (!f->done && f->account == account && f->number == number)
            return f;
    }
    return NULL;
}

static struct lane_flight *find(const struct lane *l, uint64_t place, const struct account *account, uint64_t number)
{
    if (number)
        return find_adopted(l, account, number);
    size_t low = l->landed, high = n_flights(l);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (flights(l)[middle].place < place)
            low = middle + 1;
        else
            high = middle;
    }
    struct lane_flight *f = flights(l) + low;
    return low < n_flights(l) && f->place == place && !f->done ? f : NULL;
}

static void tidy(struct lane *l)
{
    while (l->landed < n_flights(l) && flights(l)[l->landed].done)
        l->landed++;
    if (l->landed < n_flights(l) && l->landed < LANE_FLIGHTS_MAX)
        return;
    l->flights.len -= l->landed * sizeof(struct lane_flight);
    memmove(flights(l), flights(l) + l->landed, l->flights.len);
    l->landed = 0;
}

bool lane_land(struct lane *l, uint64_t place, const struct account *account, uint64_t number)
{
    struct lane_flight *f = find(l, place, account, number);
    if (!f)
        return false;
    f->done = true;
    tidy(l);
    return true;
}

void lane_put_back(struct lane *l, uint64_t place, const struct account *account, uint64_t number)
{
    struct lane_flight *f = find(l, place, account, number);
    /* Without memory it still counts, and is read at the next start. */
    if (!f || buf_reserve(&l->ranges, sizeof(struct lane_range)) < 0)
        return;
    struct lane_range range = {f->place, f->next};
    size_t n = n_ranges(l), at = 0;
    while (at < n && ranges(l)[at].from < range.from)
        at++;
    buf_add(&l->ranges, &range, sizeof range);
    memmove(ranges(l) + at + 1, ranges(l) + at, (n - at) * sizeof range);
    ranges(l)[at] = range;
    f->done = true;
    tidy(l);
}

/* ---- what counts ---- */

size_t lane_flights(const struct lane *l)
{
    return n_flights(l) - l->landed;
}

bool lane_needs(const struct lane *l, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < n_ranges(l); i++)
        if (ranges(l)[i].from < to && ranges(l)[i].to > from)
            return true;
    for (size_t i = l->landed; i < n_flights(l); i++)
        if (!flights(l)[i].done && flights(l)[i].place < to && flights(l)[i].next > from)
            return true;
    return false;
}

static int print_range(struct buf *out, struct lane_range r)
{
    const uint64_t low = UINT32_MAX;
    return buf_printf(out, "%s%" PRIx64 ":%" PRIx64 "-%" PRIx64 ":%" PRIx64, out->len ? " " : "", r.from >> PLACE_BITS,
                      r.from & low, r.to >> PLACE_BITS, r.to & low);
}

int lane_print(const struct lane *l, struct buf *out)
{
    size_t i = l->landed, k = 0;
    struct lane_range open = {0, 0};
    int r = buf_add(out, "", 0);
    for (;;) {
        struct lane_range next;
        while (i < n_flights(l) && flights(l)[i].done)
            i++;
        if (i < n_flights(l) && (k == n_ranges(l) || flights(l)[i].place < ranges(l)[k].from)) {
            next = (struct lane_range){flights(l)[i].place, flights(l)[i].next};
            i++;
        } else if (k < n_ranges(l)) {
            next = ranges(l)[k++];
        } else {
            break;
        }
        if (next.from == open.to) {
            open.to = next.to;
            continue;
        }
        if (open.to && r == 0)
            r = print_range(out, open);
        open = next;
    }
    return open.to && r == 0 ? print_range(out, open) : r;
}

static bool take_number(const char **at, char end, uint64_t *n)
{
    char *behind;
    if (!strchr("0123456789abcdef", **at) || !**at)
        return false;
    errno = 0;
    unsigned long long value = strtoull(*at, &behind, 16);
    if (errno || value > UINT32_MAX || (end ? *behind != end : *behind && *behind != ' '))
        return false;
    *n = value;
    *at = behind + (*behind != 0);
    return true;
}

static bool take_place(const char **at, char end, uint64_t *place)
{
    uint64_t segment, offset;
    if (!take_number(at, ':', &segment) || !take_number(at, end, &offset))
        return false;
    *place = segment << PLACE_BITS | offset;
    return true;
}

int lane_parse(struct lane *l, const char *text)
{
    assert(n_ranges(l) == 0);
    uint64_t last = 0;
    for (const char *at = text; *at;) {
        struct lane_range range;
        if (!take_place(&at, '-', &range.from) || !take_place(&at, 0, &range.to) || range.from < last ||
            range.to <= range.from) {
            buf_clear(&l->ranges);
            return -EUCLEAN;
        }
        last = range.to;
        int r = buf_add(&l->ranges, &range, sizeof range);
        if (r < 0)
            return r;
    }
    l->barrier = last;
    return 0;
}
