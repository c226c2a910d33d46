/*
 * A pattern and a path, separated by the first newline. Short ones are matched by trying everything as well.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATTERN_MAX = 64, PATH_MAX_TRIED = 32 };

/* What was tried at a place of the pattern and of the path need not be tried again. */
static struct {
    const char *pattern, *path;
    bool tried[PATTERN_MAX + 1][PATH_MAX_TRIED + 1];
} t;

/* Behind the item at p: a character, an escape, a class, or all of a brace. */
static const char *item_end(const char *p)
{
    if (*p == '\\')
        return p + 2;
    if (*p == '[') {
        p += 1 + (p[1] == '!' || p[1] == '^');
        do
            p += *p == '\\' ? 2 : 1;
        while (*p != ']');
    }
    if (*p == '{') {
        for (p++; *p != '}';)
            p = item_end(p);
    }
    return p + 1;
}

/* Behind the brace in which p lies, p if it lies in none. */
static const char *brace_leave(const char *p)
{
    const char *inside = t.pattern;
    const char *end = p;
    while (inside < p) {
        const char *next = item_end(inside);
        if (*inside == '{' && next > p) {
            end = next; /* the innermost is found last */
            inside++;
        } else {
            inside = next;
        }
    }
    return end;
}

static bool class_holds(const char *p, const char *end, unsigned char c)
{
    bool negated = *p == '!' || *p == '^', found = false;
    for (p += negated; p < end;) {
        unsigned char low = (unsigned char)*(*p == '\\' ? ++p : p), high = low;
        p++;
        if (*p == '-' && p + 1 < end) {
            p++;
            high = (unsigned char)*(*p == '\\' ? ++p : p);
            p++;
        }
        found |= c >= low && c <= high;
    }
    return found != negated;
}

static bool try(const char *p, const char *s);

static bool try_star(const char *p, const char *s)
{
    const char *rest = p;
    while (*rest == '*')
        rest++;
    bool two = rest - p >= 2;
    if (two && *rest == '/' && (s == t.path || s[-1] == '/') && try(rest + 1, s))
        return true;
    for (;; s++) {
        if (try(rest, s))
            return true;
        if (!*s || (*s == '/' && !two))
            return false;
    }
}

static bool try_brace(const char *p, const char *s)
{
    if (try(p + 1, s))
        return true;
    for (const char *next = p + 1; *next != '}'; next = item_end(next)) {
        if (*next == ',' && try(next + 1, s))
            return true;
    }
    return false;
}

static bool try_new(const char *p, const char *s)
{
    const char *behind;
    switch (*p) {
    case 0:
        return !*s;
    case '*':
        return try_star(p, s);
    case '{':
        return try_brace(p, s);
    case '}':
    case ',':
        behind = brace_leave(p);
        if (behind != p)
            return try(behind, s);
        break;
    case '?':
        return *s && *s != '/' && try(p + 1, s + 1);
    case '[':
        behind = item_end(p);
        return *s && *s != '/' && class_holds(p + 1, behind - 1, (unsigned char)*s) && try(behind, s + 1);
    case '\\':
        return *s && p[1] == *s && try(p + 2, s + 1);
    }
    return *p == *s && try(p + 1, s + 1);
}

static bool try(const char *p, const char *s)
{
    bool *tried = &t.tried[p - t.pattern][s - t.path];
    if (*tried)
        return false;
    *tried = true;
    return try_new(p, s);
}

static bool naive_match(const char *pattern, const char *path)
{
    const char *slash = strchr(pattern, '/') ? NULL : strrchr(path, '/');
    memset(&t, 0, sizeof t);
    t.pattern = pattern;
    t.path = slash ? slash + 1 : path;
    return try(pattern, t.path);
}

static void check_root(const char *pattern, const char *path)
{
    char root[GLOB_MAX + 1];
    if (!glob_root(pattern, root, sizeof root))
        abort(); /* it is never longer than the pattern */
    size_t n = strlen(root);
    if (n > 1 && root[n - 1] == '/')
        abort();
    if (pattern[0] == '/' && n > 1 && glob_match(pattern, path) &&
        (strncmp(path, root, n) || path[n] != '/'))
        abort();
}

/* Not strndup(): AddressSanitizer can be asked to demand a terminated string of it. */
static char *copy(const uint8_t *data, size_t n)
{
    char *text = malloc(n + 1);
    if (!text)
        abort();
    memcpy(text, data, n);
    text[n] = 0;
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    if (!end || size > 8192)
        return 0;
    char *pattern = copy(data, (size_t)(end - data));
    char *path = copy(end + 1, size - (size_t)(end + 1 - data));
    const char *wrong = glob_check(pattern);
    bool matches = glob_match(pattern, path);

    if (wrong && matches)
        abort();
    if (!wrong && strlen(pattern) <= PATTERN_MAX && strlen(path) <= PATH_MAX_TRIED &&
        matches != naive_match(pattern, path))
        abort();
    if (!wrong)
        check_root(pattern, path);
    free(pattern);
    free(path);
    return 0;
}
