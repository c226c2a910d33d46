#include "core/messages.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "codec/wrapped.h"

enum {
    CHARACTER = 4, /* bytes of UTF-8 at most */
    /* In mark.stream, between the two passes: a record begins with this line, or can take none behind it. */
    BEGINS = 0x8000,
    ENDS = 0x4000,
    EDGES = BEGINS | ENDS,
    NONE = UINT32_MAX,
};

/* A stream's record while lines are added to it. */
struct open {
    bool open, whole; /* whole: its last line has its end */
    uint32_t lines;
    uint64_t bytes;
};

struct finding {
    struct messages *m;
    struct pipeline *p;
    struct batch *b;
    bool multiline;
    bool mixed; /* lines of another stream lie within a record */
    bool longer;
    struct open open[2];
};

/* Each end of a record that is put in has nearly max_bytes before it. */
static uint32_t more_marks(uint32_t size, uint64_t max_bytes)
{
    uint64_t least = max_bytes > CHARACTER ? max_bytes - CHARACTER : 1;
    return (uint32_t)(size / least) + 1;
}

uint32_t messages_marks(uint32_t lines, uint32_t size, uint64_t max_bytes)
{
    return lines + more_marks(size, max_bytes);
}

uint32_t messages_lines(uint32_t marks, uint32_t size, uint64_t max_bytes)
{
    uint32_t more = more_marks(size, max_bytes);
    assert(marks > more);
    return marks - more;
}

/* ---- which lines belong together ---- */

static bool is_open(const struct finding *f)
{
    return f->open[WRAPPED_STDOUT].open || f->open[WRAPPED_STDERR].open;
}

static bool goes_on(const struct finding *f, const struct open *o, const struct mark *line)
{
    if (!o->open)
        return false;
    if (!o->whole)
        return true;
    return o->lines < pipeline_max_lines(f->p) && o->bytes + 1 + line->len <= f->m->max_bytes &&
           !pipeline_begins(f->p, f->b->data + line->off, line->len);
}

static void add_line(struct finding *f, struct mark *line, uint32_t start)
{
    struct open *o = &f->open[line->stream];
    if (goes_on(f, o, line)) {
        o->bytes += o->whole;
        o->lines += o->whole;
    } else {
        o->open = false;
        if (!is_open(f))
            f->m->to = start;
        *o = (struct open){.open = true, .lines = 1};
        line->stream |= BEGINS;
    }
    o->bytes += line->len;
    o->whole = !line->more;
    f->longer |= o->bytes > f->m->max_bytes;
    bool full = o->lines >= pipeline_max_lines(f->p) || o->bytes >= f->m->max_bytes;
    o->open = !o->whole || (f->multiline && !full);
    if (!o->open)
        line->stream |= ENDS;
}

/* Marks where records begin, and finds the last place that none lies across. */
static void find(struct finding *f)
{
    struct messages *m = f->m;
    uint32_t start = 0;
    for (uint32_t i = 0; i < f->b->n; i++) {
        struct mark *line = &f->b->marks[i];
        if (line->stream == WRAPPED_BARE) {
            f->mixed |= is_open(f);
            f->longer |= line->len > m->max_bytes;
            line->stream |= BEGINS;
        } else {
            f->mixed |= f->open[!line->stream].open;
            add_line(f, line, start);
            if (m->least && m->to >= m->least) /* it begins behind the place that was sought */
                return;
        }
        start = line->end;
        if (!is_open(f))
            m->to = start;
        if (m->least && m->to >= m->least)
            return;
    }
}

static unsigned unfinished(const struct finding *f)
{
    unsigned n = 0;
    for (int s = 0; s < 2; s++)
        n += f->open[s].open && !f->open[s].whole;
    return n;
}

/* What is open at the end of the chunk. */
static void settle(struct finding *f)
{
    struct messages *m = f->m;
    uint32_t end = f->b->n ? f->b->marks[f->b->n - 1].end : 0;
    bool closes = m->end == MESSAGES_FLUSH;
    if (m->least && m->to < m->least)
        m->to = 0;
    else if (!m->least && m->to == 0 && f->b->n)
        closes |= m->end == MESSAGES_FORCE || (m->end == MESSAGES_MORE && unfinished(f) == 0);
    if (closes) {
        m->torn += m->end == MESSAGES_FORCE ? unfinished(f) : 0;
        m->to = end;
    }
    m->waits = m->to < end;
    m->for_lines = m->waits && unfinished(f) == 0;
}

static uint32_t lines_before(const struct batch *b, uint32_t to)
{
    uint32_t low = 0, high = b->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (b->marks[mid].end <= to)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* ---- joining ---- */

/* A line's newline, that stays between it and the next one of its record. */
static void keep_newline(struct messages *m, struct batch *b, struct mark *line)
{
    char *at = b->data + line->off + line->len++;
    m->changed |= *at != '\n';
    *at = '\n';
}

/* Lines of a record are neighbours already. */
static void join_neighbours(struct messages *m, struct pipeline *p, struct batch *b, uint32_t n, int64_t anchor, struct pipeline_tie *tie)
{
    for (uint32_t i = 0; i < n; i++) {
        struct mark *line = &b->marks[i];
        bool begins = line->stream & BEGINS, joined = i + 1 < n && !(line[1].stream & BEGINS);
        line->stream &= (uint16_t)~EDGES;
        m->malformed += line->stream == WRAPPED_BARE;
        if (begins)
            line->time = pipeline_time(p, b, line, anchor, tie);
        else
            line->time = line[-1].time;
        if (joined && !line->more)
            keep_newline(m, b, line);
        line->more = joined;
    }
    for (uint32_t i = n; i-- > 1;)
        if (b->marks[i - 1].more)
            b->marks[i - 1].end = b->marks[i].end;
    b->n = n;
}

/* Marks in another order than that of the lines. */
struct joining {
    struct messages *m;
    struct batch *b;
    bool cut;
    struct mark *out;
    uint32_t *next; /* of each line, the next one of its record */
    uint32_t n, cap, first[2], last[2];
};

static bool within_character(const char *p)
{
    return ((unsigned char)*p & 0xC0) == 0x80;
}

/* How much of a piece goes into a record that has room for so much: not a part of a character. */
static uint32_t part(const char *text, uint32_t len, uint64_t room)
{
    if (len <= room)
        return len;
    uint32_t n = (uint32_t)room;
    while (n && room - n < CHARACTER - 1 && within_character(text + n))
        n--;
    return within_character(text + n) ? (uint32_t)room : n; /* it is no UTF-8 */
}

static void put(struct joining *j, struct mark m)
{
    assert(j->n < j->cap);
    m.more = 1;
    j->out[j->n++] = m;
}

/* A piece, and with it as many ends of records as it is too long for. */
static void put_piece(struct joining *j, struct mark piece, uint64_t *left, bool *is_torn)
{
    uint64_t max = j->m->max_bytes;
    for (;;) {
        struct mark head = piece;
        head.len = part(j->b->data + piece.off, piece.len, *left);
        if (head.len == 0 && piece.len && *left == max) /* not even one character */
            head.len = (uint32_t)max;
        if (head.len || piece.len == 0)
            put(j, head);
        *left -= head.len;
        piece.off += head.len;
        piece.len -= head.len;
        if (piece.len == 0)
            return;
        *is_torn = true;
        if (j->m->cut_long) {
            j->b->cut_bytes += piece.len;
            *left = 0;
            return;
        }
        j->out[j->n - 1].more = 0;
        piece.time++;
        *left = max;
    }
}

/* The record whose lines are chained from `first` on; all of it ends at `end`. */
static void put_record(struct joining *j, uint32_t first, uint32_t end)
{
    uint64_t left = j->m->max_bytes;
    int64_t time = j->b->marks[first].time;
    bool is_torn = false;
    for (uint32_t i = first; i != NONE; i = j->next[i]) {
        struct mark *line = &j->b->marks[i];
        if (j->next[i] != NONE && !line->more)
            keep_newline(j->m, j->b, line);
        if (i != first && left == 0 && j->m->cut_long) {
            j->b->cut_bytes += line->len;
            is_torn |= line->len > 0;
            continue;
        }
        struct mark piece = {.off = line->off, .len = line->len, .end = end, .stream = line->stream & (uint16_t)~EDGES, .time = time};
        put_piece(j, piece, &left, &is_torn);
        time = j->out[j->n - 1].time;
    }
    j->out[j->n - 1].more = 0;
    j->m->torn += is_torn;
}

static void end_record(struct joining *j, unsigned stream, uint32_t end)
{
    if (j->first[stream] == NONE)
        return;
    put_record(j, j->first[stream], end);
    j->first[stream] = NONE;
}

static void join_lines(struct joining *j, struct pipeline *p, uint32_t n, int64_t anchor, struct pipeline_tie *tie)
{
    uint32_t start = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct mark *line = &j->b->marks[i];
        unsigned stream = line->stream & (unsigned)~EDGES;
        bool begins = line->stream & BEGINS;
        j->next[i] = NONE;
        if (begins && stream != WRAPPED_BARE)
            end_record(j, stream, start);
        if (begins)
            line->time = pipeline_time(p, j->b, line, anchor, tie);
        start = line->end;
        if (stream == WRAPPED_BARE) {
            j->m->malformed++;
            put_record(j, i, start);
            continue;
        }
        if (begins)
            j->first[stream] = i;
        else
            j->next[j->last[stream]] = i;
        j->last[stream] = i;
        if (line->stream & ENDS)
            end_record(j, stream, start);
    }
    unsigned earlier = j->first[0] < j->first[1] ? 0 : 1;
    end_record(j, earlier, start);
    end_record(j, !earlier, start);
}

static void forget_edges(struct batch *b)
{
    for (uint32_t i = 0; i < b->n; i++)
        b->marks[i].stream &= (uint16_t)~EDGES;
}

static int join_mixed(struct messages *m, struct pipeline *p, struct batch *b, uint32_t n, struct scope *scratch, int64_t anchor,
                      struct pipeline_tie *tie)
{
    struct joining j = {.m = m, .b = b, .cap = b->cap, .first = {NONE, NONE}};
    size_t marks = (size_t)b->cap * sizeof *j.out;
    j.out = mem_new(scratch, marks + n * sizeof *j.next, "messages");
    if (!j.out)
        return -ENOMEM;
    j.next = (uint32_t *)((char *)j.out + marks);
    join_lines(&j, p, n, anchor, tie);
    memcpy(b->marks, j.out, j.n * sizeof *j.out);
    b->n = j.n;
    mem_free(j.out);
    return 0;
}

int messages_make(struct messages *m, struct pipeline *p, struct batch *b, struct scope *scratch, int64_t anchor,
                  struct pipeline_tie *tie)
{
    struct finding f = {.m = m, .p = p, .b = b, .multiline = pipeline_is_multiline(p)};
    m->to = m->malformed = m->torn = 0;
    m->waits = m->for_lines = m->changed = false;
    find(&f);
    settle(&f);
    uint32_t n = lines_before(b, m->to);
    if (!f.mixed && !f.longer) {
        join_neighbours(m, p, b, n, anchor, tie);
        return 0;
    }
    int r = join_mixed(m, p, b, n, scratch, anchor, tie);
    if (r < 0)
        forget_edges(b);
    return r;
}
