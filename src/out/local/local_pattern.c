#include "out/local/local_pattern.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "base/clock.h"

enum kind { LITERAL, LABEL, ORIGIN, DATE, HOUR_OF_DAY };

struct part {
    enum kind kind;
    const char *text; /* the literal, or the label's name */
};

struct pattern {
    unsigned n;
    bool timed;
    struct part parts[];
};

static const struct {
    const char *name;
    enum kind kind;
    const char *label;
} variables[] = {
    {"path", ORIGIN, NULL},
    {"file", LABEL, "file_name"},
    {"container", LABEL, "container_name"},
    {"unit", LABEL, "unit"},
    {"host", LABEL, "instance"},
    {"date", DATE, NULL},
    {"hour", HOUR_OF_DAY, NULL},
};

static bool find_variable(struct scope *owner, const char *name, size_t len, struct part *part)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        if (strlen(variables[i].name) == len && memcmp(variables[i].name, name, len) == 0) {
            *part = (struct part){variables[i].kind, variables[i].label};
            return true;
        }
    if (len > 6 && memcmp(name, "label:", 6) == 0) {
        *part = (struct part){LABEL, scope_printf(owner, "%.*s", (int)len - 6, name + 6)};
        return true;
    }
    return false;
}

/* No file outside the sink's directory, whatever the labels are. */
static bool leaves_directory(const char *text)
{
    if (text[0] == '/' || text[0] == 0)
        return true;
    for (const char *p = text; p; p = strchr(p, '/')) {
        p += *p == '/';
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return true;
    }
    return false;
}

struct pattern *pattern_new(struct scope *owner, const char *text, char *error, size_t size)
{
    size_t most = strlen(text) + 1; /* each part has a character at least */
    struct pattern *p = scope_alloc(owner, sizeof *p + most * sizeof *p->parts);
    if (!p) {
        snprintf(error, size, "out of memory");
        return NULL;
    }
    errno = EINVAL;
    if (leaves_directory(text)) {
        snprintf(error, size, "\"%s\" must name a file within the directory", text);
        return NULL;
    }
    while (*text) {
        struct part *part = &p->parts[p->n++];
        size_t len = strcspn(text, "{");
        if (len > 0) {
            *part = (struct part){LITERAL, scope_printf(owner, "%.*s", (int)len, text)};
        } else {
            const char *close = strchr(text, '}');
            len = close ? (size_t)(close - text) + 1 : strlen(text);
            if (!close || !find_variable(owner, text + 1, len - 2, part)) {
                snprintf(error, size,
                         "%.*s is none of {path} {file} {container} {unit} {host} {date} {hour} "
                         "{label:NAME}",
                         (int)len, text);
                errno = EINVAL;
                return NULL;
            }
        }
        if ((part->kind == LITERAL || part->kind == LABEL) && !part->text) {
            snprintf(error, size, "out of memory");
            errno = ENOMEM;
            return NULL;
        }
        p->timed |= part->kind == DATE || part->kind == HOUR_OF_DAY;
        text += len;
    }
    return p;
}

bool pattern_is_timed(const struct pattern *p)
{
    return p->timed;
}

struct writer {
    char *out;
    size_t len;
    bool overflow;
};

static void put(struct writer *w, const char *s, size_t n)
{
    if (w->len + n >= PATTERN_PATH) {
        w->overflow = true;
        return;
    }
    memcpy(w->out + w->len, s, n);
    w->len += n;
    w->out[w->len] = 0;
}

/* One component of a path, made safe. */
static void put_safe(struct writer *w, const char *s, size_t n)
{
    char safe[PATTERN_PART + 24] = {0};
    size_t keep = n;
    if (n == 0) {
        put(w, "none", 4);
        return;
    }
    if (keep > PATTERN_PART) {
        keep = PATTERN_PART;
        while (keep > 0 && ((unsigned char)s[keep] & 0xc0) == 0x80)
            keep--;
    }
    for (size_t i = 0; i < keep; i++) {
        unsigned char c = (unsigned char)s[i];
        safe[i] = c == '/' || c < 0x20 || c == 0x7f ? '_' : (char)c;
    }
    if (safe[0] == '.' && (keep == 1 || (keep == 2 && safe[1] == '.')))
        memset(safe, '_', keep);
    if (keep < n)
        keep += (size_t)snprintf(safe + keep, sizeof safe - keep, "-%016llx",
                                 (unsigned long long)XXH3_64bits(s, n));
    put(w, safe, keep);
}

static void put_path(struct writer *w, const char *path)
{
    bool first = true;
    for (const char *p = path; *p;) {
        p += strspn(p, "/");
        size_t n = strcspn(p, "/");
        if (n == 0)
            break;
        if (!first)
            put(w, "/", 1);
        first = false;
        put_safe(w, p, n);
        p += n;
    }
    if (first)
        put(w, "none", 4);
}

static void put_named(struct writer *w, const char *directory, const char *name)
{
    put(w, directory, strlen(directory));
    put_safe(w, name, strlen(name));
    put(w, ".log", 4);
}

static void put_origin(struct writer *w, const struct stream *s)
{
    const char *container = stream_value(s, "container_name"), *file = stream_value(s, "file_path");
    const char *source = stream_value(s, "source"), *service = stream_value(s, "service");
    if (container)
        put_named(w, "containers/", container);
    else if (file)
        put_path(w, file);
    else if (source && strcmp(source, "journal") == 0)
        put_named(w, "journal/", service ? service : "none");
    else
        put_named(w, "", service ? service : "other");
}

static void put_time(struct writer *w, enum kind kind, int64_t time)
{
    char text[32];
    struct tm tm;
    time_t t = (time_t)(time / SECOND);
    gmtime_r(&t, &tm);
    put(w, text,
        kind == DATE ? strftime(text, sizeof text, "%Y-%m-%d", &tm)
                     : strftime(text, sizeof text, "%H", &tm));
}

/* A name must leave room for what rotation appends. */
static bool has_long_name(const char *path)
{
    for (const char *p = path; *p; p += *p == '/') {
        size_t n = strcspn(p, "/");
        if (n > PATTERN_NAME)
            return true;
        p += n;
    }
    return false;
}

void pattern_expand(const struct pattern *p, const struct stream *s, int64_t time,
                    char path[PATTERN_PATH])
{
    struct writer w = {.out = path};
    path[0] = 0;
    for (unsigned i = 0; i < p->n; i++) {
        const struct part *part = &p->parts[i];
        const char *value;
        switch (part->kind) {
        case LITERAL:
            put(&w, part->text, strlen(part->text));
            break;
        case LABEL:
            value = stream_value(s, part->text);
            put_safe(&w, value ? value : "", value ? strlen(value) : 0);
            break;
        case ORIGIN:
            put_origin(&w, s);
            break;
        case DATE:
        case HOUR_OF_DAY:
            put_time(&w, part->kind, time);
            break;
        }
    }
    if (w.overflow || has_long_name(path))
        snprintf(path, PATTERN_PATH, "long-%016llx.log",
                 (unsigned long long)XXH3_64bits(path, strlen(path)));
}
