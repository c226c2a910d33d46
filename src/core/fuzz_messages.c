/*
 * A text of CRI lines is read as the monitor does it, in batches of what was there at the time. Whatever the lines: the same bytes alone give
 * the same batch again; nothing of a stream is lost, doubled or moved; and no record is torn that has room.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "codec/wrapped.h"
#include "core/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 16 * 1024, LINES = 512, CAP = LINES + TEXT_MAX + 2 };

static struct scope scope;
static struct pipeline *pipelines[2];

static void prepare(void)
{
    struct buf error = {0};
    struct files_group group = {.multiline.start = "", .timestamp = {"", ""}};
    if (scope_begin(&scope, &scope_root, "fuzz") < 0 || buf_begin(&error, &scope, "error", 4096) < 0)
        abort();
    pipelines[0] = pipeline_new(&scope, &group, &error);
    group.multiline = (struct multiline_config){.start = "^[0-9]", .max_lines = 5};
    pipelines[1] = pipeline_new(&scope, &group, &error);
    assert(pipelines[0] && pipelines[1]);
    buf_end(&error);
}

struct chunk {
    char data[TEXT_MAX];
    struct mark marks[CAP];
    struct batch b; /* last: it ends in a flexible array */
};

static void fill(struct chunk *c, const char *text, uint32_t n)
{
    bool changed = false;
    c->b = (struct batch){.data = c->data, .size = n, .marks = c->marks, .cap = CAP};
    memcpy(c->data, text, n);
    c->b.n = wrapped_mark(WRAPPED_CRI, c->data, n, c->marks, LINES, &c->b.used, &changed);
}

/* What the container wrote to each stream, line ends left out. */
struct written {
    char text[WRAPPED_STREAMS][TEXT_MAX];
    size_t n[WRAPPED_STREAMS];
};

static void note(struct written *w, const struct batch *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        const struct mark *m = &b->marks[i];
        for (uint32_t k = 0; k < m->len; k++)
            if (b->data[m->off + k] != '\n')
                w->text[m->stream][w->n[m->stream]++] = b->data[m->off + k];
    }
}

static void check_records(const struct batch *b, const struct messages *m)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        const struct mark *x = &b->marks[i];
        bool first = i == 0 || !x[-1].more;
        bytes = first ? x->len : bytes + x->len;
        assert(bytes <= m->max_bytes + 1 && x->stream < WRAPPED_STREAMS && x->end <= m->to);
        assert(first || (x->stream == x[-1].stream && x->time == x[-1].time));
        assert(i == 0 || x->end >= x[-1].end);
    }
    assert(b->n == 0 || !b->marks[b->n - 1].more);
}

static void check_again(const struct chunk *c, const struct messages *m, struct pipeline *p, const char *text, struct pipeline_tie tie,
                        struct chunk *again)
{
    struct messages flush = {.max_bytes = m->max_bytes, .cut_long = m->cut_long, .end = MESSAGES_FLUSH};
    fill(again, text, m->to);
    assert(messages_make(&flush, p, &again->b, &scope, 7, &tie) == 0);
    assert(flush.to == m->to && again->b.n == c->b.n);
    for (uint32_t i = 0; i < c->b.n; i++) {
        const struct mark *x = &c->marks[i], *y = &again->marks[i];
        assert(x->off == y->off && x->len == y->len && x->stream == y->stream && x->more == y->more && x->time == y->time && x->end == y->end);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct chunk c, again;
    static struct written pieces, all;
    if (size < 4 || size - 4 > TEXT_MAX)
        return 0;
    if (!pipelines[0])
        prepare();
    struct pipeline *p = pipelines[data[0] & 1];
    uint64_t max = 16 + data[1];
    uint32_t step = 64 + 4 * data[2], window = 256 + 64 * (uint32_t)data[3];
    const char *text = (const char *)data + 4;
    uint32_t n = (uint32_t)size - 4, at = 0, have = 0;
    struct pipeline_tie tie = {0};
    pieces.n[0] = pieces.n[1] = pieces.n[2] = all.n[0] = all.n[1] = all.n[2] = 0;
    while (at < n) {
        have = have + step < n ? have + step : n;
        bool full = have - at >= window, last = have == n;
        uint32_t here = full ? window : have - at;
        struct pipeline_tie before = tie;
        fill(&c, text + at, here);
        struct messages m = {.max_bytes = max, .end = full ? MESSAGES_FORCE : last ? MESSAGES_FLUSH : MESSAGES_WAIT};
        assert(messages_make(&m, p, &c.b, &scope, 7, &tie) == 0);
        check_records(&c.b, &m);
        note(&pieces, &c.b);
        if (m.to)
            check_again(&c, &m, p, text + at, before, &again);
        else
            assert(memcmp(&tie, &before, sizeof tie) == 0);
        at += m.to;
        if (m.to == 0 && (full || last)) /* a line that is longer than all that, or has no end */
            break;
        have = have < at ? at : have;
        if (last && !full)
            break;
    }
    fill(&c, text, at); /* the same lines, each by itself */
    for (uint32_t i = 0; i < c.b.n; i++)
        c.marks[i].more = 0;
    if (c.b.n < LINES) {
        note(&all, &c.b);
        for (int s = 0; s < WRAPPED_STREAMS; s++)
            assert(all.n[s] == pieces.n[s] && memcmp(all.text[s], pieces.text[s], all.n[s]) == 0);
    }
    return 0;
}
