#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec/glob.h"
#include "codec/utf8.h"
#include "in/journal/journal_internal.h"

enum { NUMBERS = 1000 - SPLIT_MAX }; /* within a microsecond; the pieces of one message are counted on from there */

/* A field's value within `size`, cut, as UTF-8; "" when the entry does not have it. */
static void field(struct journal *j, const char *name, char *out, size_t size)
{
    const void *data;
    size_t n, skip = strlen(name) + 1;
    out[0] = 0;
    if (libsystemd.journal_get_data(j->sd, name, &data, &n) < 0 || n < skip)
        return;
    data = (const char *)data + skip;
    n = strnlen(data, n - skip);
    n = utf8_fit(data, n, size - 1, &(size_t){0});
    out[utf8_repair(data, n, out)] = 0;
}

static bool matches_any(const struct string_list *patterns, const char *unit)
{
    for (unsigned i = 0; i < patterns->n; i++)
        if (glob_match(patterns->items[i], unit))
            return true;
    return false;
}

/* What would feed logcap with itself, and what the configuration leaves out. */
static bool is_wanted(struct journal *j, const char *unit, const char *identifier)
{
    const struct journal_config *c = &j->config->journal;
    char pid[sizeof j->pid];
    field(j, "_PID", pid, sizeof pid);
    if (strcmp(pid, j->pid) == 0 || strcmp(identifier, "logcap") == 0 ||
        strcmp(unit, "logcap.service") == 0)
        return false;
    if (c->units.n && !matches_any(&c->units, unit))
        return false;
    return !matches_any(&c->exclude_units, unit);
}

/* Sessions have numbers; a stream for each would be one for each login. */
static void plain_unit(char *unit)
{
    if (strncmp(unit, "session-", 8) == 0 && strstr(unit, ".scope"))
        strcpy(unit, "session.scope");
}

int entry_read(struct journal *j, struct entry *e)
{
    static const char *const priorities[] = {"emerg",   "alert",  "crit", "err",
                                             "warning", "notice", "info", "debug"};
    const uint64_t most = j->config->files.max_line_bytes;
    char unit[160], identifier[128], priority[4];
    const void *data;
    uint64_t usec;
    size_t n;

    field(j, "_SYSTEMD_UNIT", unit, sizeof unit);
    field(j, "SYSLOG_IDENTIFIER", identifier, sizeof identifier);
    if (!identifier[0])
        field(j, "_COMM", identifier, sizeof identifier);
    if (!is_wanted(j, unit, identifier))
        return 0;
    plain_unit(unit);
    field(j, "PRIORITY", priority, sizeof priority);
    bool known = priority[0] >= '0' && priority[0] <= '7' && !priority[1];
    snprintf(e->key, sizeof e->key, "%s%c%s%c%s", unit, 0,
             known ? priorities[priority[0] - '0'] : "", 0, identifier);

    int r = libsystemd.journal_get_realtime_usec(j->sd, &usec);
    if (r < 0)
        return r;
    if (!place_cursor(j, e->cursor))
        return -EBADMSG;
    r = libsystemd.journal_get_data(j->sd, "MESSAGE", &data, &n);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    e->time = (int64_t)usec * 1000 + (int64_t)(place_number(e->cursor) % NUMBERS);
    e->message = (const char *)data + strlen("MESSAGE=");
    e->len = n - strlen("MESSAGE=");
    e->cut = e->len > SPLIT_MAX * most ? e->len - SPLIT_MAX * most : 0;
    e->len -= e->cut;
    e->records = e->len ? (uint32_t)((e->len + most - 1) / most) : 1;
    return 1;
}

/* ---- streams ---- */

static size_t key_length(const char *key)
{
    size_t n = strlen(key) + 1;
    n += strlen(key + n) + 1;
    return n + strlen(key + n) + 1;
}

static struct stream *make_stream(struct journal *j, const char *unit)
{
    const char *priority = unit + strlen(unit) + 1, *identifier = priority + strlen(priority) + 1;
    const struct label_list *extra = &j->config->journal.labels;
    struct label labels[STREAM_LABELS] = {
        {"source", "journal"},  {"instance", j->config->host}, {"unit", unit},
        {"priority", priority}, {"identifier", identifier},
    };
    char service[160];
    const char *dot = strrchr(unit, '.');
    if (dot && strcmp(dot, ".service") == 0)
        snprintf(service, sizeof service, "%.*s", (int)(dot - unit), unit);
    else
        snprintf(service, sizeof service, "%s",
                 identifier[0] ? identifier
                 : unit[0]     ? unit
                               : "unknown");
    labels[5] = (struct label){"service", service};
    unsigned n = 6;
    for (unsigned i = 0; i < extra->n && n < STREAM_LABELS; i++)
        labels[n++] = extra->items[i];
    return stream_get(labels, n);
}

/* The journal's reference; a place is taken over by the next tuple that falls on it. */
static struct stream *find_stream(struct journal *j, const struct entry *e)
{
    size_t n = key_length(e->key);
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)e->key[i]) * 16777619u;
    struct known_stream *k = &j->streams[hash % JOURNAL_STREAMS];
    if (k->stream && memcmp(k->key, e->key, n) == 0)
        return k->stream;
    struct stream *s = make_stream(j, e->key);
    if (!s)
        return NULL;
    stream_unref(k->stream);
    k->stream = s;
    memcpy(k->key, e->key, n);
    return s;
}

void entry_forget_streams(struct journal *j)
{
    for (int i = 0; j->streams && i < JOURNAL_STREAMS; i++) {
        stream_unref(j->streams[i].stream);
        j->streams[i].stream = NULL;
    }
}

int entry_add(struct journal *j, struct batch *b, const struct entry *e)
{
    const uint64_t most = j->config->files.max_line_bytes;
    if (b->size - b->used < e->len || b->cap - b->n < e->records)
        return -ENOSPC;
    struct stream *s = find_stream(j, e);
    int index = s ? batch_stream(b, s) : -ENOMEM;
    if (index < 0)
        return index;
    memcpy(b->data + b->used, e->message, e->len);
    uint32_t left = (uint32_t)e->len;
    for (uint32_t i = 0; i < e->records; i++) {
        uint32_t len = left < most ? left : (uint32_t)most;
        batch_mark(b, (struct mark){.off = b->used,
                                    .len = len,
                                    .end = b->used + len,
                                    .stream = (uint16_t)index,
                                    .time = e->time + i});
        b->used += len;
        left -= len;
    }
    b->cut_bytes += e->cut;
    return 0;
}
