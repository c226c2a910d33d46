/* From a lease whose entries were refused to rows of the store. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "codec/json.h"
#include "codec/utf8.h"
#include "core/letters/letters_internal.h"

enum { FIRST_ENTRIES = 4 };

static size_t size_of(uint32_t cap)
{
    return sizeof(struct refused) + cap * sizeof(((struct refused *)0)->entries[0]);
}

static struct amount amount_of(const struct batch *b, uint32_t mark, uint32_t next)
{
    struct amount a = {.records = 1};
    for (uint32_t i = mark; i < next; i++)
        a.bytes += b->marks[i].len;
    return a;
}

static bool is_replay(const struct batch *b)
{
    return b->origin && b->origin->counter == ORIGIN_DEAD;
}

/* The sentence that people will read: cut where a character ends. */
static void cut_says(char out[LETTER_SAYS], const char *says)
{
    size_t n = strnlen(says, LETTER_SAYS);
    if (n == LETTER_SAYS)
        n = utf8_cut(says, n, LETTER_SAYS - 1);
    memcpy(out, says, n);
    out[n] = 0;
}

/* The first of a lease takes a hold of the batch, the others too, so that each can be freed by itself. */
static struct refused *refused_new(struct lease *l, enum letter_code code, const char says[LETTER_SAYS])
{
    struct letters_at *at = l->sink->letters;
    pthread_mutex_lock(&l->sink->book.lock);
    struct refused *r = mem_new(&at->scope, size_of(FIRST_ENTRIES), "refused entries");
    pthread_mutex_unlock(&l->sink->book.lock);
    if (!r)
        return NULL;
    r->at = at;
    r->batch = l->batch;
    r->code = code;
    r->when = clock_real();
    r->cap = FIRST_ENTRIES;
    memcpy(r->says, says, LETTER_SAYS);
    batch_hold(l->batch);
    if (!l->refused) {
        r->held = l->batch->cost;
        atomic_fetch_add(&l->sink->held, r->held);
    }
    pool_claim(at->letters->pool, size_of(r->cap));
    r->next = l->refused;
    l->refused = r;
    return r;
}

static bool grow(struct lease *l)
{
    struct refused *r = l->refused;
    uint32_t cap = 2 * r->cap;
    pthread_mutex_lock(&l->sink->book.lock);
    struct refused *bigger = mem_resize(r, size_of(cap));
    pthread_mutex_unlock(&l->sink->book.lock);
    if (!bigger)
        return false;
    pool_claim(bigger->at->letters->pool, size_of(cap) - size_of(bigger->cap));
    bigger->cap = cap;
    l->refused = bigger;
    return true;
}

int lease_refuse(struct lease *l, uint32_t mark, uint32_t next, enum letter_code code, const char *says,
                 struct outcome *outcome)
{
    struct letters_at *at = l->sink->letters;
    struct amount a = amount_of(l->batch, mark, next);
    bool keep = at && (at->keeps || is_replay(l->batch));
    if (keep) {
        char sentence[LETTER_SAYS];
        cut_says(sentence, says);
        struct refused *r = l->refused;
        if (!r || r->code != code || strcmp(r->says, sentence) != 0)
            r = refused_new(l, code, sentence);
        else if (r->n == r->cap)
            r = grow(l) ? l->refused : NULL;
        if (!r)
            return -ENOMEM;
        r->entries[r->n].mark = mark;
        r->entries[r->n++].next = next;
    }
    struct amount *to = keep ? &outcome->dead : &outcome->dropped[DROP_INVALID];
    to->records += a.records;
    to->bytes += a.bytes;
    return 0;
}

/* In the order in which they were refused. */
static struct refused *reversed(struct refused *list)
{
    struct refused *out = NULL;
    while (list) {
        struct refused *next = list->next;
        list->next = out;
        out = list;
        list = next;
    }
    return out;
}

void refused_settle(const struct secured *s)
{
    if (!s->refused)
        return;
    struct letters_at *at = s->refused->at;
    struct refused *list = reversed(s->refused), **end;
    if (s->origin == &at->origin)
        end = &at->round->groups[s->ticket].refused;
    else
        end = &at->pending;
    while (*end)
        end = &(*end)->next;
    *end = list;
}

void refused_free(struct refused *list)
{
    while (list) {
        struct refused *r = list;
        struct letters_at *at = r->at;
        struct sink *sink = at->sink;
        struct batch *b = r->batch;
        uint64_t held = r->held, memory = size_of(r->cap);
        list = r->next;
        pthread_mutex_lock(&sink->book.lock);
        mem_free(r);
        pthread_mutex_unlock(&sink->book.lock);
        pool_release(at->letters->pool, memory);
        batch_release(b);
        if (held)
            sink_let_go(sink, held);
    }
}

void refused_forget(struct refused *list)
{
    refused_free(list);
}

/* ---- rows ---- */

struct writer {
    struct refused *r;
    struct store *store;
    const struct stream *stream; /* whose labels are in `labels` */
    struct buf labels, line;
};

static int write_labels(struct buf *out, const struct stream *s)
{
    buf_clear(out);
    buf_puts(out, "{");
    for (uint32_t i = 0; i < s->n; i++) {
        if (i)
            buf_puts(out, ",");
        json_add_cstring(out, s->labels[i].name);
        buf_puts(out, ":");
        json_add_cstring(out, s->labels[i].value);
    }
    buf_puts(out, "}");
    return out->failed ? -ENOMEM : 0;
}

/* The pieces of an entry as one. */
static int join(struct writer *w, uint32_t mark, uint32_t next)
{
    const struct batch *b = w->r->batch;
    buf_clear(&w->line);
    for (uint32_t i = mark; i < next; i++)
        buf_add(&w->line, b->data + b->marks[i].off, b->marks[i].len);
    return w->line.failed ? -ENOMEM : 0;
}

static uint64_t place_of(const struct batch *b, uint32_t next)
{
    return b->ordinal ? b->from + next : b->from + b->marks[next - 1].end;
}

static int write_entry(struct writer *w, uint32_t mark, uint32_t next)
{
    struct refused *r = w->r;
    struct letters_at *at = r->at;
    const struct batch *b = r->batch;
    const struct stream *stream = b->streams[b->marks[mark].stream];
    bool joined = next - mark > 1, again = false;
    int e = 0;
    if (stream != w->stream)
        e = write_labels(&w->labels, stream);
    if (e == 0 && joined)
        e = join(w, mark, next);
    if (e < 0)
        return e;
    w->stream = stream;
    struct store_letter row = {
        .sink = at->sink->name,
        .source_key = b->source->key,
        .source_name = b->source->name,
        .place = place_of(b, next),
        .code = letter_code_name(r->code),
        .says = r->says,
        .refused_at = r->when,
        .tried_at = r->when,
        .attempts = 1,
        .next_try = letters_next_try(at->letters, 1, r->when),
        .time = b->marks[mark].time,
        .labels = w->labels.data,
        .line = joined ? w->line.data ? w->line.data : "" : b->data + b->marks[mark].off,
        .line_n = amount_of(b, mark, next).bytes,
    };
    e = store_put_letter(w->store, &row, &again);
    struct letter_tally *t = again ? &r->again : &r->written;
    t->letters++;
    t->bytes += row.line_n;
    t->size += store_letter_size(&row);
    return e;
}

int refused_write(struct refused *r, struct store *store)
{
    struct writer w = {.r = r, .store = store};
    struct scope *scope = &r->at->letters->scope;
    int e = buf_begin(&w.labels, scope, "labels of letters", 1 << 20);
    if (e == 0)
        e = buf_begin(&w.line, scope, "joined letter", 1 << 30);
    r->written = r->again = (struct letter_tally){0};
    for (uint32_t i = 0; i < r->n && e == 0; i++)
        e = write_entry(&w, r->entries[i].mark, r->entries[i].next);
    buf_end(&w.line);
    buf_end(&w.labels);
    return e;
}
