#include "codec/pprof.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>

/* The numbers of the fields, as profile.proto gives them. */
enum profile_field {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE,
    PROFILE_MAPPING,
    PROFILE_LOCATION,
    PROFILE_FUNCTION,
    PROFILE_STRING,
    PROFILE_TIME = 9,
    PROFILE_DURATION,
    PROFILE_PERIOD_TYPE,
    PROFILE_PERIOD,
    PROFILE_DEFAULT_TYPE = 14,
};

enum { WIRE_VARINT = 0, WIRE_BYTES = 2, VARINT_MOST = 10, GZIP = 15 + 16, ROOM = 32 * 1024, FIRST_CAP = 256 };

/* ---- protobuf ---- */

static void put_varint(struct buf *b, uint64_t v)
{
    char bytes[VARINT_MOST];
    unsigned n = 0;
    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (char)(v | 0x80);
    bytes[n++] = (char)v;
    buf_add(b, bytes, n);
}

/* 0 is what a field has that is not there. */
static void put_number(struct buf *b, unsigned field, uint64_t v)
{
    if (!v)
        return;
    put_varint(b, field << 3 | WIRE_VARINT);
    put_varint(b, v);
}

static void put_bytes(struct buf *b, unsigned field, const void *data, size_t n)
{
    put_varint(b, field << 3 | WIRE_BYTES);
    put_varint(b, n);
    buf_add(b, data, n);
}

/* A message that was written into `from` becomes a field of `b`. */
static void put_message(struct buf *b, unsigned field, struct buf *from)
{
    put_bytes(b, field, from->data, from->len);
    b->failed |= from->failed;
    from->len = 0;
}

/* ---- what is stored once ---- */

static uint32_t *table_slot(struct pprof_table *t, uint64_t key)
{
    uint32_t i = (uint32_t)(key ^ key >> 32) & (t->cap - 1);
    while (t->slots[i].id && t->slots[i].key != key)
        i = (i + 1) & (t->cap - 1);
    t->slots[i].key = key;
    return &t->slots[i].id;
}

static bool table_grow(struct pprof *p, struct pprof_table *t)
{
    struct pprof_table larger = {.n = t->n, .cap = t->cap ? 2 * t->cap : FIRST_CAP};
    larger.slots = mem_new(&p->scope, larger.cap * sizeof *larger.slots, "pprof table");
    if (!larger.slots)
        return false;
    for (uint32_t i = 0; i < t->cap; i++)
        if (t->slots[i].id)
            *table_slot(&larger, t->slots[i].key) = t->slots[i].id;
    mem_free(t->slots);
    *t = larger;
    return true;
}

/* The id under the key: NULL without memory; 0 in it: the caller gives it the next one. */
static uint32_t *table_id(struct pprof *p, struct pprof_table *t, uint64_t key)
{
    if (2 * (t->n + 1) > t->cap && !table_grow(p, t)) {
        p->failed = true;
        return NULL;
    }
    return table_slot(t, key);
}

/* The text's number. By a hash of 64 bits: two texts of one would take some billions of them. */
static uint64_t text_id(struct pprof *p, const char *text)
{
    if (!text || !*text)
        return 0;
    size_t n = strlen(text);
    uint32_t *id = table_id(p, &p->texts, XXH3_64bits(text, n));
    if (!id)
        return 0;
    if (!*id) {
        *id = ++p->texts.n;
        buf_add(&p->strings, text, n + 1);
    }
    return *id;
}

static uint64_t function_id(struct pprof *p, const struct pprof_frame *f)
{
    uint64_t name = text_id(p, f->function), file = text_id(p, f->file);
    uint32_t *id = table_id(p, &p->functions, (name << 32 | file) + 1);
    if (!id || *id)
        return id ? *id : 0;
    *id = ++p->functions.n;
    put_number(&p->inner, 1, *id);
    put_number(&p->inner, 2, name);
    put_number(&p->inner, 3, name);
    put_number(&p->inner, 4, file);
    put_message(&p->out, PROFILE_FUNCTION, &p->inner);
    return *id;
}

/* ---- the profile ---- */

int pprof_begin(struct pprof *p, struct scope *owner, size_t limit)
{
    *p = (struct pprof){0};
    int r = scope_begin(&p->scope, owner, "pprof");
    if (r < 0)
        return r;
    r = buf_begin(&p->out, &p->scope, "profile", limit);
    if (r == 0)
        r = buf_begin(&p->message, &p->scope, "message", limit);
    if (r == 0)
        r = buf_begin(&p->inner, &p->scope, "inner message", limit);
    if (r == 0)
        r = buf_begin(&p->strings, &p->scope, "strings", limit);
    if (r < 0)
        scope_end(&p->scope);
    return r;
}

void pprof_end(struct pprof *p)
{
    scope_end(&p->scope);
}

static void put_value_type(struct pprof *p, unsigned field, const char *type, const char *unit)
{
    put_number(&p->message, 1, text_id(p, type));
    put_number(&p->message, 2, text_id(p, unit));
    put_message(&p->out, field, &p->message);
}

void pprof_sample_type(struct pprof *p, const char *type, const char *unit)
{
    put_value_type(p, PROFILE_SAMPLE_TYPE, type, unit);
    p->values++;
}

void pprof_default_type(struct pprof *p, const char *type)
{
    put_number(&p->out, PROFILE_DEFAULT_TYPE, text_id(p, type));
}

void pprof_period(struct pprof *p, const char *type, const char *unit, int64_t period)
{
    put_value_type(p, PROFILE_PERIOD_TYPE, type, unit);
    put_number(&p->out, PROFILE_PERIOD, (uint64_t)period);
}

void pprof_time(struct pprof *p, int64_t at, int64_t duration)
{
    put_number(&p->out, PROFILE_TIME, (uint64_t)at);
    put_number(&p->out, PROFILE_DURATION, (uint64_t)duration);
}

uint64_t pprof_mapping(struct pprof *p, const struct pprof_mapping *m)
{
    struct buf *b = &p->message;
    put_number(b, 1, ++p->mappings);
    put_number(b, 2, m->start);
    put_number(b, 3, m->end);
    put_number(b, 4, m->offset);
    put_number(b, 5, text_id(p, m->file));
    put_number(b, 6, text_id(p, m->build_id));
    for (unsigned field = 7; field <= 10; field++)
        put_number(b, field, m->symbols);
    put_message(&p->out, PROFILE_MAPPING, b);
    return p->mappings;
}

uint64_t pprof_location(struct pprof *p, uint64_t address, uint64_t mapping, const struct pprof_frame *frames, unsigned n)
{
    put_number(&p->message, 1, ++p->locations);
    put_number(&p->message, 2, mapping);
    put_number(&p->message, 3, address);
    for (unsigned i = 0; i < n; i++) {
        uint64_t function = function_id(p, &frames[i]);
        put_number(&p->inner, 1, function);
        put_number(&p->inner, 2, (uint64_t)frames[i].line);
        put_message(&p->message, 4, &p->inner);
    }
    put_message(&p->out, PROFILE_LOCATION, &p->message);
    return p->locations;
}

void pprof_sample(struct pprof *p, const uint64_t *locations, unsigned n, const int64_t *values,
                  const struct pprof_label *labels, unsigned n_labels)
{
    for (unsigned i = 0; i < n; i++)
        put_varint(&p->inner, locations[i]);
    put_message(&p->message, 1, &p->inner);
    for (unsigned i = 0; i < p->values; i++)
        put_varint(&p->inner, (uint64_t)values[i]);
    put_message(&p->message, 2, &p->inner);
    for (unsigned i = 0; i < n_labels; i++) {
        put_number(&p->inner, 1, text_id(p, labels[i].key));
        put_number(&p->inner, 2, text_id(p, labels[i].text));
        put_number(&p->inner, 3, labels[i].text ? 0 : (uint64_t)labels[i].number);
        put_number(&p->inner, 4, labels[i].text ? 0 : text_id(p, labels[i].unit));
        put_message(&p->message, 3, &p->inner);
    }
    put_message(&p->out, PROFILE_SAMPLE, &p->message);
}

/* Number 0 is the empty string. */
static void put_strings(struct pprof *p)
{
    put_bytes(&p->out, PROFILE_STRING, "", 0);
    for (size_t at = 0; at < p->strings.len;) {
        size_t n = strlen(p->strings.data + at);
        put_bytes(&p->out, PROFILE_STRING, p->strings.data + at, n);
        at += n + 1;
    }
}

struct deflater {
    struct thing thing;
    z_stream z;
};

static void deflater_end(struct thing *t)
{
    deflateEnd(&container_of(t, struct deflater, thing)->z);
}

static int compress_all(struct scope *scope, const struct buf *in, struct buf *out)
{
    struct deflater d = {.z = {.next_in = (Bytef *)in->data, .avail_in = (uInt)in->len}};
    int r = thing_begin(&d.thing, scope, BIRTH_HANDLE, "zlib", 0, deflater_end), end = Z_OK;
    if (r < 0)
        return r;
    if (deflateInit2(&d.z, Z_BEST_SPEED, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        thing_unborn(&d.thing);
        return -ENOMEM;
    }
    while (end == Z_OK && (r = buf_reserve(out, ROOM)) == 0) {
        d.z.next_out = (Bytef *)out->data + out->len;
        d.z.avail_out = ROOM;
        end = deflate(&d.z, Z_FINISH);
        out->len += ROOM - d.z.avail_out;
    }
    thing_end(&d.thing);
    return r < 0 || end != Z_STREAM_END ? -ENOMEM : 0;
}

int pprof_finish(struct pprof *p, struct buf *out)
{
    assert(p->values);
    put_strings(p);
    if (p->failed || p->out.failed || p->message.failed || p->inner.failed || p->strings.failed)
        return -ENOMEM;
    return compress_all(&p->scope, &p->out, out);
}
