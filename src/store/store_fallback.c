#include "store/store_fallback.h"

#define XXH_STATIC_LINKING_ONLY
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

static const char header[] = "logcap-positions\t1\n";

enum {
    BUFFER = 16 * 1024,
    FIELDS = 6,                             /* of the longest line */
    CHECKSUM_LINE = sizeof "checksum\t" - 1 + 16 + 1,
    FILE_MAX = 64 * 1024 * 1024,            /* some 300,000 sources */
};

/* ---- reading ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool must_escape(unsigned char c)
{
    return c < 0x20 || c == 0x7f || c == '\\';
}

/* In place. NULL: not a string that the writer makes. */
static const char *unescape(char *s)
{
    char *out = s;
    for (const char *in = s; *in; out++) {
        if (*in != '\\') {
            if (must_escape((unsigned char)*in))
                return NULL;
            *out = *in++;
            continue;
        }
        int high = in[1] == 'x' ? hex(in[2]) : -1, low = high >= 0 ? hex(in[3]) : -1;
        if (low < 0 || high + low == 0 || !must_escape((unsigned char)(high * 16 + low)))
            return NULL;
        *out = (char)(high * 16 + low);
        in += 4;
    }
    *out = 0;
    return s;
}

static bool number(const char *s, uint64_t *value)
{
    *value = 0;
    if (!*s || (*s == '0' && s[1]))
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || __builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(*s - '0'), value))
            return false;
    }
    return true;
}

static bool time_of(const char *s, int64_t *value)
{
    uint64_t n;
    if (!number(s, &n) || n > INT64_MAX)
        return false;
    *value = (int64_t)n;
    return true;
}

/* Cuts the line at its tabs. 0: too many fields. */
static int split(char *line, char *fields[FIELDS])
{
    int n = 0;
    for (char *next = line; next;) {
        if (n == FIELDS)
            return 0;
        fields[n++] = strsep(&next, "\t");
    }
    return n;
}

static int read_source(char **f, int n, const struct fallback_rows *to)
{
    struct store_source row = {0};
    if (n < 4 || n > 5 || !(row.key = unescape(f[1])) || !(row.name = unescape(f[2])) ||
        !time_of(f[3], &row.seen) || (n == 5 && !(row.identity = unescape(f[4]))))
        return -EUCLEAN;
    return to->source(&row, to->arg);
}

static int read_position(char **f, int n, const struct fallback_rows *to)
{
    struct store_position row = {0};
    if (n < 5 || n > 6 || !(row.source_key = unescape(f[1])) || !(row.sink = unescape(f[2])) ||
        !number(f[3], &row.offset) || !number(f[4], &row.tail_hash) ||
        (n == 6 && !(row.cursor = unescape(f[5]))))
        return -EUCLEAN;
    return to->position(&row, to->arg);
}

static int read_file_row(char **f, int n, const struct fallback_rows *to)
{
    struct store_file row = {0};
    if (n != 6 || !(row.sink = unescape(f[1])) || !(row.path = unescape(f[2])) ||
        !number(f[3], &row.length) || !number(f[4], &row.inode) || !time_of(f[5], &row.born))
        return -EUCLEAN;
    return to->file(&row, to->arg);
}

static int read_line(char *line, const struct fallback_rows *to)
{
    char *f[FIELDS];
    int n = split(line, f);
    if (n == 0)
        return -EUCLEAN;
    if (strcmp(f[0], "source") == 0)
        return read_source(f, n, to);
    if (strcmp(f[0], "position") == 0)
        return read_position(f, n, to);
    if (strcmp(f[0], "file") == 0)
        return read_file_row(f, n, to);
    return -EUCLEAN;
}

static void checksum_line(char out[CHECKSUM_LINE + 1], uint64_t hash)
{
    snprintf(out, CHECKSUM_LINE + 1, "checksum\t%016" PRIx64 "\n", hash);
}

int fallback_parse(char *data, size_t size, const struct fallback_rows *rows)
{
    char expected[CHECKSUM_LINE + 1];
    size_t head = sizeof header - 1;
    if (size < head + CHECKSUM_LINE || memcmp(data, header, head) != 0)
        return -EUCLEAN;
    char *end = data + size - CHECKSUM_LINE;
    checksum_line(expected, XXH64(data, (size_t)(end - data), 0));
    if (memcmp(end, expected, CHECKSUM_LINE) != 0)
        return -EUCLEAN;
    for (char *line = data + head; line < end;) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline || memchr(line, 0, (size_t)(newline - line)))
            return -EUCLEAN;
        *newline = 0;
        int r = read_line(line, rows);
        if (r < 0)
            return r;
        line = newline + 1;
    }
    return 0;
}

static int read_all(int n, char *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t r = fd_read(n, data + at, size - at);
        if (r < 0)
            return (int)r;
        if (r == 0)
            return -EUCLEAN; /* shorter than it was */
        at += (size_t)r;
    }
    return 0;
}

int fallback_read(struct scope *owner, const char *path, const struct fallback_rows *rows)
{
    struct fd f;
    struct stat st;
    int r = fd_open(&f, owner, path, O_RDONLY | O_NONBLOCK, 0);
    if (r < 0)
        return r;
    if (fstat(f.n, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
        fd_close(&f);
        return -EUCLEAN;
    }
    size_t size = (size_t)st.st_size;
    char *data = mem_new(owner, size + 1, "fallback file");
    r = data ? read_all(f.n, data, size) : -errno;
    fd_close(&f);
    if (r == 0)
        r = fallback_parse(data, size, rows);
    mem_free(data);
    return r;
}

/* ---- writing ---- */

struct writer {
    int fd;
    int failed; /* the first -errno; nothing is written after it */
    XXH64_state_t hash;
    size_t used;
    char *buffer;
};

static void flush(struct writer *w)
{
    if (w->failed == 0) {
        XXH64_update(&w->hash, w->buffer, w->used);
        w->failed = fd_write_all(w->fd, w->buffer, w->used);
    }
    w->used = 0;
}

static void put_char(struct writer *w, char c)
{
    if (w->used == BUFFER)
        flush(w);
    w->buffer[w->used++] = c;
}

static void put(struct writer *w, const char *s)
{
    while (*s)
        put_char(w, *s++);
}

static void put_string(struct writer *w, const char *s)
{
    put_char(w, '\t');
    for (; *s; s++) {
        if (must_escape((unsigned char)*s)) {
            char escaped[5];
            snprintf(escaped, sizeof escaped, "\\x%02x", (unsigned char)*s);
            put(w, escaped);
        } else {
            put_char(w, *s);
        }
    }
}

static void put_number(struct writer *w, uint64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "\t%" PRIu64, n);
    put(w, text);
}

static void put_time(struct writer *w, int64_t t)
{
    put_number(w, t < 0 ? 0 : (uint64_t)t);
}

static bool write_source(const struct store_source *row, void *arg)
{
    struct writer *w = arg;
    put(w, "source");
    put_string(w, row->key);
    put_string(w, row->name);
    put_time(w, row->seen);
    if (row->identity)
        put_string(w, row->identity);
    put_char(w, '\n');
    return w->failed == 0;
}

static bool write_position(const struct store_position *row, void *arg)
{
    struct writer *w = arg;
    put(w, "position");
    put_string(w, row->source_key);
    put_string(w, row->sink);
    put_number(w, row->offset);
    put_number(w, row->tail_hash);
    if (row->cursor)
        put_string(w, row->cursor);
    put_char(w, '\n');
    return w->failed == 0;
}

static bool write_file(const struct store_file *row, void *arg)
{
    struct writer *w = arg;
    put(w, "file");
    put_string(w, row->sink);
    put_string(w, row->path);
    put_number(w, row->length);
    put_number(w, row->inode);
    put_time(w, row->born);
    put_char(w, '\n');
    return w->failed == 0;
}

static int write_all(struct writer *w, struct store *store)
{
    char line[CHECKSUM_LINE + 1];
    XXH64_reset(&w->hash, 0);
    put(w, header);
    int r = store_each_source(store, write_source, w);
    if (r == 0)
        r = store_each_position(store, NULL, write_position, w);
    if (r == 0)
        r = store_each_file(store, NULL, write_file, w);
    if (r < 0)
        return r;
    flush(w);
    checksum_line(line, XXH64_digest(&w->hash));
    put(w, line);
    flush(w);
    return w->failed ? w->failed : fd_sync(w->fd);
}

static int write_and_rename(struct scope *scope, struct store *store, const char *path)
{
    struct fd f;
    struct writer w = {.buffer = mem_new(scope, BUFFER, "fallback file")};
    char *temporary = scope_printf(scope, "%s.new", path);
    if (!w.buffer || !temporary)
        return -ENOMEM;
    int r = fd_open(&f, scope, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (r < 0)
        return r;
    w.fd = f.n;
    r = write_all(&w, store);
    fd_close(&f);
    if (r == 0)
        r = file_rename(temporary, path);
    if (r < 0)
        (void)file_unlink(temporary);
    return r < 0 ? r : file_sync_name(scope, path);
}

int fallback_write(struct scope *owner, struct store *store, const char *path)
{
    struct scope scope;
    int r = scope_begin(&scope, owner, "fallback");
    if (r < 0)
        return r;
    r = write_and_rename(&scope, store, path);
    scope_end(&scope);
    return r;
}
