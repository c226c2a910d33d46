#include "out/loki/loki_request.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/loki.h"

/* ---- the entries in their order ---- */

struct walk {
    const struct loki_request *r;
    unsigned lease;
    unsigned stream;
    uint32_t mark, next; /* the entry; 0: the stream begins */
    uint32_t ordinal;    /* of the next entry */
};

static void walk_begin(struct walk *w, const struct loki_request *r, uint32_t from)
{
    *w = (struct walk){.r = r};
    while (w->lease < r->n && w->ordinal + r->leases[w->lease].entries <= from)
        w->ordinal += r->leases[w->lease++].entries;
}

static bool walk_next(struct walk *w)
{
    for (; w->lease < w->r->n; w->lease++, w->stream = 0) {
        const struct lease *l = w->r->leases[w->lease].lease;
        const struct batch *b = l->batch;
        for (; w->stream < b->n_streams; w->stream++, w->next = 0) {
            if (!(l->wanted >> w->stream & 1))
                continue;
            if (w->next < l->first)
                w->next = l->first;
            while ((w->mark = w->next) < b->n) {
                w->next = batch_entry_end(b, w->mark);
                if (b->marks[w->mark].stream == w->stream && !lease_repeats(l, w->mark)) {
                    w->ordinal++;
                    return true;
                }
            }
        }
    }
    return false;
}

/* The first entry from `from` on; each further one by walk_next(). */
static bool walk_to(struct walk *w, const struct loki_request *r, uint32_t from)
{
    walk_begin(w, r, from);
    while (walk_next(w))
        if (w->ordinal > from)
            return true;
    return false;
}

static const struct lease *walk_lease(const struct walk *w)
{
    return w->r->leases[w->lease].lease;
}

static const struct stream *walk_stream(const struct walk *w)
{
    return walk_lease(w)->batch->streams[w->stream];
}

#define EACH_ENTRY(w, r, span) \
    for (bool more_ = walk_to(&(w), r, (span).from); more_ && (w).ordinal <= (span).to; more_ = walk_next(&(w)))

/* ---- life ---- */

struct loki_request *loki_request_new(struct scope *owner, struct qnode **head, unsigned n)
{
    struct loki_request *r = scope_new(owner, sizeof *r, "request");
    if (!r)
        return NULL;
    r->leases = scope_alloc(&r->scope, n * sizeof *r->leases);
    if (!r->leases) {
        scope_end(&r->scope);
        return NULL;
    }
    for (; r->n < n; r->n++) {
        struct lease *l = container_of(*head, struct lease, node);
        *head = l->node.next;
        r->leases[r->n].lease = l;
        const struct amount amount = lease_amount(l);
        r->leases[r->n].entries = (uint32_t)amount.records;
        r->entries += r->leases[r->n].entries;
        r->bytes += amount.bytes;
    }
    if (r->entries)
        r->todo[r->n_todo++] = (struct span){0, r->entries};
    return r;
}

void loki_request_secured(struct loki_request *r)
{
    assert(loki_request_done(r));
    for (unsigned i = 0; i < r->n; i++)
        lease_secured(r->leases[i].lease, &r->leases[i].outcome);
    scope_end(&r->scope);
}

void loki_request_returned(struct loki_request *r)
{
    for (unsigned i = 0; i < r->n; i++)
        lease_returned(r->leases[i].lease);
    scope_end(&r->scope);
}

/* ---- sending ---- */

struct writer {
    struct loki_encoder encoder;
    struct buf *out;
};

static int grow(struct writer *w, size_t more)
{
    w->out->len = w->encoder.len;
    int r = buf_reserve(w->out, more);
    w->encoder.out = w->out->data;
    w->encoder.cap = w->out->cap;
    return r;
}

static int begin_stream(struct writer *w, const struct loki_labels *l)
{
    if (w->encoder.stream)
        loki_stream_end(&w->encoder);
    int r = grow(w, LOKI_STREAM_OVERHEAD + l->labels_n);
    return r < 0 ? r : loki_stream_begin(&w->encoder, l->bytes, l->labels_n);
}

static int put_entry(struct writer *w, const struct walk *at, int64_t time, const struct loki_labels *l)
{
    const struct batch *b = walk_lease(at)->batch;
    return loki_entry_marks(&w->encoder, time, b->data, b->marks + at->mark, at->next - at->mark,
                            l->bytes + l->labels_n, l->metadata_n);
}

static enum times_verdict judge(const struct loki_request *r, const struct walk *at, int64_t *time)
{
    return times_judge(&r->times, walk_lease(at)->batch, at->mark, time);
}

static bool is_dead(enum times_verdict v)
{
    return v == TIMES_OLD_DEAD || v == TIMES_FAR_DEAD;
}

/* After a refusal by the encoder: the room that the entry takes at most. */
static int put_entry_anew(struct writer *w, const struct walk *at, int64_t time, const struct loki_labels *l,
                          int refusal)
{
    size_t len = 0;
    for (uint32_t i = at->mark; i < at->next; i++)
        len += walk_lease(at)->batch->marks[i].len;
    int r = refusal == -EFBIG ? begin_stream(w, l) : 0;
    if (r == 0)
        r = grow(w, loki_entry_bound(3 * len, l->metadata_n));
    return r < 0 ? r : put_entry(w, at, time, l);
}

int loki_request_encode(struct loki_request *r, struct buf *out, struct loki_rulebook *rulebook)
{
    struct writer w = {.encoder = {.out = out->data, .len = out->len, .cap = out->cap}, .out = out};
    struct walk at;
    const struct stream *open = NULL;
    const struct settings *by = NULL;
    const struct loki_labels *labels = NULL;
    for (unsigned i = 0; i < r->n; i++)
        r->leases[i].cut = 0;
    memset(r->verdicts, 0, sizeof r->verdicts);
    r->sent = r->demoted = 0;
    EACH_ENTRY(at, r, loki_request_next(r)) {
        int e = 0;
        int64_t time;
        enum times_verdict verdict = judge(r, &at, &time);
        r->verdicts[verdict]++;
        if (is_dead(verdict))
            continue;
        r->sent++;
        if (walk_stream(&at) != open || walk_lease(&at)->sent_with != by) {
            struct loki_rules *rules = loki_rules_of(rulebook, walk_lease(&at));
            open = walk_stream(&at);
            by = walk_lease(&at)->sent_with;
            labels = rules ? loki_streams_get(&rules->streams, open) : NULL;
            e = labels ? begin_stream(&w, labels) : -ENOMEM;
            w.encoder.max_line = rules ? rules->config->max_line_bytes : 0;
        }
        if (e == 0)
            e = put_entry(&w, &at, time, labels);
        if (e == -ENOSPC || e == -EFBIG)
            e = put_entry_anew(&w, &at, time, labels, e);
        if (e < 0)
            return e;
        r->demoted += labels->demoted;
        r->leases[at.lease].cut += w.encoder.cut;
        w.encoder.cut = 0;
    }
    if (w.encoder.stream)
        loki_stream_end(&w.encoder);
    out->len = w.encoder.len;
    return 0;
}

bool loki_request_waits(struct loki_request *r, struct loki_rulebook *rules, struct nudge *wake)
{
    struct settings *with = r->asked ? NULL : loki_rules_settings(rules);
    for (unsigned i = 0; with && i < r->n; i++)
        intent_ask(r->leases[i].lease, with, wake);
    r->asked = true; /* without memory it is sent without */
    for (unsigned i = 0; !r->waited && i < r->n; i++)
        if (intent_waits(r->leases[i].lease))
            return true;
    r->waited = true;
    return false;
}

uint32_t loki_request_accepted(struct loki_request *r)
{
    r->n_todo--;
    for (unsigned i = 0; i < r->n; i++) {
        r->leases[i].outcome.dropped[DROP_TOO_LONG].bytes += r->leases[i].cut;
        r->leases[i].cut = 0;
    }
    return r->sent;
}

static int refuse_entry(struct loki_request *r, const struct walk *at, enum letter_code code, const char *says)
{
    struct request_lease *l = &r->leases[at->lease];
    return lease_refuse(l->lease, at->mark, at->next, code, says, &l->outcome);
}

int64_t loki_request_refuse(struct loki_request *r, enum letter_code code, const char *says)
{
    struct span *s = &r->todo[r->n_todo - 1];
    uint32_t refused = 0;
    struct walk w;
    int64_t time;
    EACH_ENTRY(w, r, *s) {
        if (is_dead(judge(r, &w, &time)))
            continue;
        if (refuse_entry(r, &w, code, says) < 0) {
            s->from = w.ordinal - 1;
            return -ENOMEM;
        }
        refused++;
    }
    r->n_todo--;
    return refused;
}

int64_t loki_request_bury(struct loki_request *r)
{
    const struct times_config *c = r->times.config;
    struct span left = {r->buried, r->entries};
    uint32_t n = 0;
    struct walk w;
    int64_t time;
    if (c->too_old != TIMES_DEAD_LETTER && c->too_far != TIMES_DEAD_LETTER)
        left.from = left.to; /* all are sent */
    EACH_ENTRY(w, r, left) {
        enum times_verdict v = judge(r, &w, &time);
        r->buried = w.ordinal - 1;
        if (!is_dead(v))
            continue;
        bool old = v == TIMES_OLD_DEAD;
        if (refuse_entry(r, &w, old ? LETTER_TOO_OLD : LETTER_TOO_NEW,
                         old ? "older than timestamps.max_age" : "further ahead than timestamps.max_ahead") < 0)
            return -ENOMEM;
        n++;
    }
    r->buried = r->entries;
    return n;
}

/* Where a stream ends within the next span, nearest to its middle; 0: nowhere. */
static uint32_t stream_boundary(const struct loki_request *r)
{
    struct span s = loki_request_next(r);
    uint32_t middle = s.from + (s.to - s.from) / 2, best = 0;
    const struct stream *before = NULL;
    struct walk w;
    EACH_ENTRY(w, r, s) {
        uint32_t at = w.ordinal - 1;
        if (before && walk_stream(&w) != before &&
            (!best || llabs((long long)at - middle) < llabs((long long)best - middle)))
            best = at;
        before = walk_stream(&w);
    }
    return best;
}

bool loki_request_single_stream(const struct loki_request *r)
{
    return stream_boundary(r) == 0;
}

bool loki_request_split(struct loki_request *r, bool only_streams)
{
    struct span *s = &r->todo[r->n_todo - 1];
    uint32_t at = stream_boundary(r);
    if (!at && !only_streams && s->to - s->from > 1)
        at = s->from + (s->to - s->from) / 2;
    if (!at)
        return false;
    assert(r->n_todo < SPANS_MAX);
    struct span first = {s->from, at};
    s->from = at;
    r->todo[r->n_todo++] = first;
    return true;
}

/* ---- what a 400 says ---- */

static uint64_t errors_in(const char *part, size_t n)
{
    static const char like[] = " errors like: ";
    char *end;
    unsigned long long count = strtoull(part, &end, 10);
    if (end != part && (size_t)(end - part) + sizeof like - 1 <= n &&
        strncmp(end, like, sizeof like - 1) == 0)
        return count;
    return 0;
}

static bool all_ignored(const char *body, uint32_t entries)
{
    static const char mark[] = "total ignored: ", between[] = " out of ";
    const char *at = strstr(body, mark);
    if (!at)
        return false;
    char *end;
    unsigned long long ignored = strtoull(at + sizeof mark - 1, &end, 10);
    if (strncmp(end, between, sizeof between - 1) != 0)
        return false;
    unsigned long long of = strtoull(end + sizeof between - 1, &end, 10);
    return ignored == of && of == entries;
}

bool loki_refused_all(const char *body, uint32_t entries, bool single_stream)
{
    if (single_stream && all_ignored(body, entries))
        return true;
    /* Only what is counted counts: a message without "N errors like" may hide that it was shortened. */
    uint64_t sum = 0;
    for (const char *part = body; *part;) {
        const char *end = strstr(part, "; ");
        size_t n = end ? (size_t)(end - part) : strlen(part);
        sum += errors_in(part, n);
        part += end ? n + 2 : n;
    }
    return sum == entries;
}

enum letter_code loki_refusal_code(const char *body)
{
    static const struct {
        const char *text;
        enum letter_code code;
    } says[] = {
        {"timestamp too old", LETTER_TOO_OLD},    /* greater_than_max_sample_age */
        {"too far behind", LETTER_TOO_OLD},       /* behind the newest of the stream */
        {"out of order", LETTER_TOO_OLD},
        {"timestamp too new", LETTER_TOO_NEW},    /* too_far_in_future */
        {"max entry size", LETTER_TOO_LONG},      /* line_too_long */
        {"structured metadata", LETTER_TOO_LONG}, /* too large, or too many */
    };
    for (size_t i = 0; i < sizeof says / sizeof *says; i++)
        if (strstr(body, says[i].text))
            return says[i].code;
    return LETTER_INVALID;
}
