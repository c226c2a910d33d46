/*
 * A stream of entries as the input says, encoded and then decoded by a small decoder of protobuf that knows nothing
 * of the encoder. What was accepted must come back, repaired and cut; nothing may be written beyond the room.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/loki.h"
#include "codec/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES_MAX = 16, MARKS_MAX = 4, TEXT_MAX = 1 << 12 };

struct span {
    const uint8_t *p, *end;
};

static size_t left(const struct span *s)
{
    return (size_t)(s->end - s->p);
}

static uint8_t take_byte(struct span *s)
{
    return s->p < s->end ? *s->p++ : 0;
}

static struct span take(struct span *s, size_t n)
{
    n = n < left(s) ? n : left(s);
    s->p += n;
    return (struct span){s->p - n, s->p};
}

static uint64_t read_varint(struct span *s)
{
    uint64_t v = 0;
    for (unsigned shift = 0; s->p < s->end && shift < 70; shift += 7) {
        v |= (uint64_t)(*s->p & 0x7f) << shift;
        if (!(*s->p++ & 0x80))
            return v;
    }
    abort();
}

static void read_tag(struct span *s, unsigned field, unsigned wire_type)
{
    if (read_varint(s) != (field << 3 | wire_type))
        abort();
}

/* A string or message. */
static struct span read_field(struct span *s, unsigned field)
{
    read_tag(s, field, 2);
    uint64_t n = read_varint(s);
    if (n > left(s))
        abort();
    return take(s, n);
}

static void expect(struct span s, const char *text, size_t n)
{
    if (left(&s) != n || memcmp(s.p, text, n) || !utf8_valid(text, n))
        abort();
}

/* The line as it must arrive. */
struct entry {
    int64_t time;
    char *line;
    size_t len;
    bool has_metadata;
};

/* Repaired as a whole, then cut before the character that passes the limit. */
static bool entry_expect(struct entry *e, const struct span *line, size_t max_line)
{
    e->line = malloc(3 * left(line) + 1);
    e->len = utf8_repair((const char *)line->p, left(line), e->line);
    if (max_line == 0 || e->len <= max_line)
        return false;
    for (e->len = max_line; ((uint8_t)e->line[e->len] & 0xc0) == 0x80;)
        e->len--;
    return true;
}

static void check_pair(struct span *s, const struct loki_pair *pair)
{
    struct span in = read_field(s, 3);
    char text[3 * 256];
    expect(read_field(&in, 1), pair->name, strlen(pair->name));
    size_t n = utf8_repair(pair->value, strlen(pair->value), text);
    expect(read_field(&in, 2), text, n);
    if (left(&in))
        abort();
}

/* `{a="..."}` with Go's escapes. */
static void check_labels(struct span s, const char *value)
{
    char text[3 * 256], got[3 * 256 + 1];
    size_t n = utf8_repair(value, strlen(value), text), at = 0;
    if (left(&s) < 6 || memcmp(s.p, "{a=\"", 4) || memcmp(s.end - 2, "\"}", 2))
        abort();
    for (s.p += 4, s.end -= 2; s.p < s.end; at++) {
        uint8_t c = *s.p++;
        if (c == '"' || c < 0x20 || at == sizeof got - 1)
            abort();
        got[at] = (char)c;
        if (c != '\\')
            continue;
        c = take_byte(&s);
        if (c == 'u') {
            char digits[5] = {0};
            memcpy(digits, take(&s, 4).p, 4);
            got[at] = (char)strtol(digits, NULL, 16);
        } else {
            got[at] = c == 'n' ? '\n' : (char)c;
        }
    }
    if (at != n || memcmp(got, text, n))
        abort();
}

static void check(struct span request, const char *label, const struct loki_pair *metadata,
                  const struct entry *entries, unsigned n)
{
    struct span stream = read_field(&request, 1);
    check_labels(read_field(&stream, 1), label);
    for (unsigned i = 0; i < n; i++) {
        struct span entry = read_field(&stream, 2), time = read_field(&entry, 1);
        read_tag(&time, 1, 0);
        int64_t seconds = (int64_t)read_varint(&time);
        read_tag(&time, 2, 0);
        uint64_t nanos = read_varint(&time);
        if (left(&time) || nanos >= 1000000000 ||
            (uint64_t)seconds * 1000000000 + nanos != (uint64_t)entries[i].time)
            abort();
        expect(read_field(&entry, 2), entries[i].line, entries[i].len);
        if (entries[i].has_metadata)
            check_pair(&entry, metadata);
        if (left(&entry))
            abort();
    }
    if (left(&stream) || left(&request))
        abort();
}

/* Up to 255 bytes as a string, ended by the first NUL. */
static void take_string(struct span *in, char text[256])
{
    struct span s = take(in, take_byte(in));
    memcpy(text, s.p, left(&s));
    text[left(&s)] = 0;
}

/* Cuts the line into marks at places that the input says. */
static unsigned make_marks(struct span *in, struct mark *marks, size_t len, int64_t time)
{
    unsigned n = 1 + take_byte(in) % MARKS_MAX;
    uint32_t at = 0;
    for (unsigned i = 0; i < n; i++) {
        uint32_t more = i + 1 < n ? take_byte(in) : (uint32_t)len - at;
        more = more < len - at ? more : (uint32_t)len - at;
        marks[i] = (struct mark){.off = at, .len = more, .more = i + 1 < n, .time = time};
        at += more;
    }
    return n;
}

/* 1: written. */
static int entry_add(struct loki_encoder *e, struct entry *entry, struct span *in, const char *metadata,
                     size_t n_metadata)
{
    uint8_t how = take_byte(in);
    struct span time = take(in, how & 8), line;
    struct mark marks[MARKS_MAX];
    struct loki_encoder before = *e;
    memset(entry, 0, sizeof *entry);
    memcpy(&entry->time, time.p, left(&time));
    entry->has_metadata = how & 1;
    n_metadata = how & 1 ? n_metadata : 0;
    line = take(in, take_byte(in));
    size_t len = left(&line);
    int r;
    if (how & 2) {
        unsigned n = make_marks(in, marks, len, entry->time);
        r = loki_entry_marks(e, marks->time, (const char *)line.p, marks, n, metadata, n_metadata);
    } else {
        r = loki_entry(e, entry->time, (const char *)line.p, len, metadata, n_metadata);
    }
    if (r < 0) {
        if (r != -ENOSPC || e->len != before.len || e->cut != before.cut ||
            e->cap - e->len >= loki_entry_bound(3 * len, n_metadata))
            abort();
        return 0;
    }
    if (entry_expect(entry, &line, e->max_line) != (e->cut > before.cut))
        abort();
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {data, data + (size < TEXT_MAX ? size : TEXT_MAX)};
    char label[256], value[256], labels[8 * 256], metadata[4 * 256];
    size_t cap = 16u * take_byte(&in), max_line = take_byte(&in);
    take_string(&in, label);
    take_string(&in, value);
    struct loki_pair pair = {"k", value};
    long n_labels = loki_labels(&(struct loki_pair){"a", label}, 1, labels, sizeof labels);
    long n_metadata = loki_metadata(&pair, 1, metadata, sizeof metadata);
    if (n_labels < 0 || n_metadata < 0 || labels[n_labels])
        abort();

    struct entry entries[ENTRIES_MAX];
    struct loki_encoder e = {.out = malloc(cap + !cap), .cap = cap, .max_line = max_line};
    unsigned n = 0;
    if (loki_stream_begin(&e, labels, (size_t)n_labels) == 0) {
        while (n < ENTRIES_MAX && left(&in))
            n += (unsigned)entry_add(&e, &entries[n], &in, metadata, (size_t)n_metadata);
        loki_stream_end(&e);
        check((struct span){(uint8_t *)e.out, (uint8_t *)e.out + e.len}, label, &pair, entries, n);
    }
    while (n)
        free(entries[--n].line);
    free(e.out);
    return 0;
}
