#include "loki_rig.h"

#include <snappy-c.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "out/loki/loki.h"
#include "unit.h"

/* ---- the decoder: PushRequest, Stream, Entry ---- */

struct field {
    unsigned number;
    uint64_t value; /* or the size of `data` */
    const unsigned char *data;
};

static uint64_t varint(const unsigned char **p, const unsigned char *end)
{
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
        assert_true(*p < end && shift < 64);
        v |= (uint64_t)(**p & 0x7F) << shift;
        if (!(*(*p)++ & 0x80))
            return v;
    }
}

static bool next_field(const unsigned char **p, const unsigned char *end, struct field *f)
{
    if (*p == end)
        return false;
    uint64_t tag = varint(p, end);
    *f = (struct field){.number = (unsigned)(tag >> 3), .value = varint(p, end)};
    if ((tag & 7) == 2) {
        assert_true(f->value <= (uint64_t)(end - *p));
        f->data = *p;
        *p += f->value;
    } else {
        assert_int_equal(tag & 7, 0);
    }
    return true;
}

#define EACH_FIELD(f, in, n) \
    for (const unsigned char *f##_at = (in), *f##_end = f##_at + (n); next_field(&f##_at, f##_end, &(f));)

static void add_text(char *out, const struct field *f, const char *after)
{
    size_t at = strlen(out);
    snprintf(out + at, RIG_TEXT - at, "%.*s%s", (int)f->value, (const char *)f->data, after);
}

static void decode_entry(struct rig_entry *e, const struct field *entry)
{
    struct field f, g;
    EACH_FIELD(f, entry->data, entry->value) {
        if (f.number == 1) {
            EACH_FIELD(g, f.data, f.value)
                e->time += (int64_t)(g.number == 1 ? g.value * SECOND : g.value);
        } else if (f.number == 2) {
            add_text(e->line, &f, "");
            e->line_n = f.value;
        } else {
            assert_int_equal(f.number, 3);
            EACH_FIELD(g, f.data, f.value)
                add_text(e->metadata, &g, g.number == 1 ? "=" : ",");
        }
    }
}

static unsigned decode(struct rig *r, const unsigned char *push, size_t n, bool keep, unsigned *bad)
{
    struct field stream, f;
    unsigned entries = 0;
    EACH_FIELD(stream, push, n) {
        char labels[RIG_TEXT] = "";
        EACH_FIELD(f, stream.data, stream.value) {
            if (f.number == 1) {
                add_text(labels, &f, "");
                continue;
            }
            struct rig_entry e = {.request = r->requests};
            decode_entry(&e, &f);
            memcpy(e.labels, labels, sizeof labels);
            bool is_bad = strstr(e.line, "bad") != NULL;
            *bad += is_bad;
            entries++;
            if (keep && !is_bad) {
                assert_true(r->n < RIG_ENTRIES);
                r->entries[r->n++] = e;
            }
        }
    }
    return entries;
}

unsigned rig_read(struct rig *r, struct server_request *request, bool keep, unsigned *bad)
{
    size_t n = 0;
    *bad = 0;
    assert_int_equal(snappy_uncompressed_length(request->body, request->body_n, &n), SNAPPY_OK);
    char *raw = malloc(n);
    assert_int_equal(snappy_uncompress(request->body, request->body_n, raw, &n), SNAPPY_OK);
    r->requests++;
    unsigned entries = decode(r, (unsigned char *)raw, n, keep, bad);
    free(raw);
    return entries;
}

enum server_act rig_accept(struct http_server *s, struct server_request *request)
{
    unsigned bad;
    rig_read(s->arg, request, true, &bad);
    server_answer(request, 204, "", "");
    return SERVER_ANSWER;
}

/* ---- life ---- */

void rig_prepare(struct rig *r, enum server_act (*script)(struct http_server *, struct server_request *))
{
    memset(r, 0, sizeof *r);
    http_server_start(&r->server, script, r);
    snprintf(r->url, sizeof r->url, "http://127.0.0.1:%u/", r->server.port);
    r->own = (struct label){"host", "test"};
    r->config = (struct sink_config){
        .name = "loki", .type = "loki", .enabled = true, .queue_size = 1 << 20,
        .loki = {.url = r->url, .tenant = "t", .username = "", .password = "", .password_file = "", .bearer_token = "",
            .bearer_token_file = "", .proxy = "", .ca_file = "", .cert_file = "", .key_file = "", .snappy = true,
            .labels = {&r->own, 1}, .workers = 3, .batch_size = 1 << 20, .batch_timeout = 5 * MILLISECOND,
            .timeout = 300 * MILLISECOND, .connect_timeout = 200 * MILLISECOND, .backoff_min = MILLISECOND,
            .backoff_max = 20 * MILLISECOND, .max_line_bytes = 256 << 10, .max_labels = 15}};
    r->sinks[0] = &r->sink;
    r->dispatcher = (struct dispatcher){.sinks = r->sinks, .n_sinks = 1, .pool = &r->pool};
}

bool rig_start(struct rig *r)
{
    struct label job = {"job", "j\"x"};
    r->began = 0;
    if (scope_begin(&r->scope, &scope_root, "test") < 0)
        return false;
    r->began = 1;
    if (streams_begin(&r->scope) < 0)
        return false;
    r->began = 2;
    if (pool_begin(&r->pool, &r->scope, 1 << 20) < 0)
        return false;
    r->began = 3;
    if (sink_begin(&r->sink, &r->scope, 0, &r->config, &r->root, &loki_sink, &r->pool) < 0)
        return false;
    r->began = 4;
    if (sources_begin(&r->scope, r->sinks, 1) < 0)
        return false;
    r->began = 5;
    r->source = source_obtain(SOURCE_FILE, "file:1", "/a");
    r->stream = r->source ? stream_get(&job, 1) : NULL;
    return r->stream && sink_start(&r->sink) == 0;
}

static void read_account(struct rig *r)
{
    struct position position;
    char cursor[POSITION_CURSOR], why[200];
    if (!r->source)
        return;
    account_read(&r->source->first[0], &position, cursor, &r->counts);
    r->position = position.offset;
    assert_true(counts_check(&r->counts, why, sizeof why));
}

void rig_wait(struct rig *r, int64_t most)
{
    for (int64_t until = clock_mono() + most; clock_mono() < until; usleep(200)) {
        read_account(r);
        if (r->position == r->end)
            return;
    }
}

void rig_stop(struct rig *r)
{
    int64_t began = clock_mono();
    if (r->began >= 4) {
        sink_stop(&r->sink, began + 50 * MILLISECOND);
        sink_join(&r->sink);
    }
    r->stop_took = clock_mono() - began;
    read_account(r);
    if (r->began >= 4)
        sink_end(&r->sink);
    stream_unref(r->stream);
    if (r->source)
        source_unref(r->source);
    r->stream = NULL;
    r->source = NULL;
    if (r->began >= 5)
        sources_end();
    if (r->began >= 3) {
        assert_int_equal(atomic_load(&r->pool.used), 0);
        pool_end(&r->pool);
    }
    if (r->began >= 2)
        streams_end();
    if (r->began >= 1)
        scope_end(&r->scope);
}

void rig_end(struct rig *r)
{
    http_server_stop(&r->server);
}

/* ---- records ---- */

struct batch *rig_batch(struct rig *r)
{
    struct batch *b = batch_new(&r->pool, r->source, RIG_BATCH, RIG_MARKS);
    if (b)
        b->from = b->to = r->end;
    return b;
}

bool rig_line(struct batch *b, struct stream *stream, const char *line, size_t n, bool more)
{
    int at = batch_stream(b, stream);
    if (at < 0)
        return false;
    assert_true(b->used + n + 1 <= b->size);
    memcpy(b->data + b->used, line, n);
    b->data[b->used + n] = '\n';
    uint32_t end = b->used + (uint32_t)n + 1;
    assert_true(batch_mark(b, (struct mark){b->used, (uint32_t)n, end, (uint16_t)at, more, clock_real()}));
    b->used = end;
    b->to = b->from + end;
    return true;
}

void rig_dispatch(struct rig *r, struct batch *b)
{
    r->end = b->to;
    dispatch(&r->dispatcher, b);
}

bool rig_local_name(char name[64])
{
    char line[512], *save;
    FILE *f = fopen("/etc/hosts", "r");
    name[0] = 0;
    while (f && !name[0] && fgets(line, sizeof line, f)) {
        char *word = strtok_r(line, " \t\n", &save);
        if (!word || strcmp(word, "127.0.0.1") != 0)
            continue;
        while ((word = strtok_r(NULL, " \t\n", &save)))
            if (!strstr(word, "localhost"))
                snprintf(name, 64, "%s", word);
    }
    if (f)
        fclose(f);
    return name[0] != 0;
}
