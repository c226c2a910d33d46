#include "codec/glob.h"

#include <stdint.h>
#include <string.h>

/*
 * The pattern's offsets are the states. `next` leads from '{' and ',' to the next ',' or '}' of that brace (0 for a
 * ',' outside of braces), and says of a '*' whether it is the second of a "**".
 */
struct glob {
    const char *pattern;
    uint16_t len;
    uint16_t next[GLOB_MAX + 1];
};

enum { WORDS = GLOB_MAX / 64 + 1 };

/* The offset behind the class that begins at p[at] with '[', or 0 if it has no end. */
static unsigned class_end(const char *p, unsigned at)
{
    at++;
    if (p[at] == '!' || p[at] == '^')
        at++;
    for (unsigned first = at; p[at]; at++) {
        if (p[at] == ']' && at > first)
            return at + 1;
        if (p[at] == '\\' && !p[++at])
            return 0;
    }
    return 0;
}

static const char *glob_parse(struct glob *g, const char *pattern)
{
    size_t len = strnlen(pattern, GLOB_MAX + 1);
    uint16_t open[GLOB_MAX]; /* the last '{' or ',' of each brace around */
    unsigned depth = 0, star = GLOB_MAX;
    if (len > GLOB_MAX)
        return "the pattern is longer than 1024 bytes";
    if (!len)
        return "the pattern is empty";
    g->pattern = pattern;
    g->len = (uint16_t)len;
    for (unsigned i = 0; i < len; i++) {
        switch (pattern[i]) {
        case '\\':
            if (++i == len)
                return "'\\' at the end escapes nothing";
            break;
        case '[':
            i = class_end(pattern, i);
            if (!i--)
                return "'[' without ']'";
            break;
        case '*':
            g->next[i] = i && i - 1 == star;
            star = i;
            break;
        case '{':
            open[depth++] = (uint16_t)i;
            break;
        case ',':
            if (depth) {
                g->next[open[depth - 1]] = (uint16_t)i;
                open[depth - 1] = (uint16_t)i;
            } else {
                g->next[i] = 0;
            }
            break;
        case '}':
            if (!depth)
                return "'}' without '{'";
            g->next[open[--depth]] = (uint16_t)i;
            break;
        }
    }
    return depth ? "'{' without '}'" : NULL;
}

const char *glob_check(const char *pattern)
{
    struct glob g;
    return glob_parse(&g, pattern);
}

/*
 * Adds a state and all that can be reached from it without a character. begins: a component of the path begins
 * here, so that a "**" and its '/' may stand for no directory at all.
 */
static void state_add(const struct glob *g, uint64_t *set, unsigned at, bool begins)
{
    const char *p = g->pattern;
    if (set[at / 64] & 1ull << at % 64)
        return;
    set[at / 64] |= 1ull << at % 64;
    if (at == g->len)
        return;
    switch (p[at]) {
    case '*':
        if (begins && p[at + 1] == '*' && p[at + 2] == '/')
            state_add(g, set, at + 3, begins);
        state_add(g, set, at + 1, begins);
        break;
    case '{':
        for (; p[at] != '}'; at = g->next[at])
            state_add(g, set, at + 1, begins);
        break;
    case ',':
        if (!g->next[at])
            break;
        while (p[at] != '}')
            at = g->next[at];
        state_add(g, set, at + 1, begins);
        break;
    case '}':
        state_add(g, set, at + 1, begins);
        break;
    }
}

static bool class_has(const char *p, unsigned at, unsigned char c)
{
    unsigned end = class_end(p, at) - 1;
    bool negated = p[++at] == '!' || p[at] == '^', found = false;
    at += negated;
    while (at < end) {
        at += p[at] == '\\';
        unsigned char low = (unsigned char)p[at++], high = low;
        if (p[at] == '-' && at + 1 < end) {
            at++;
            at += p[at] == '\\';
            high = (unsigned char)p[at++];
        }
        found |= low <= c && c <= high;
    }
    return found != negated;
}

static void state_step(const struct glob *g, uint64_t *set, unsigned at, char c)
{
    const char *p = g->pattern;
    switch (p[at]) {
    case '*':
        /* Of a "**" the last star takes the characters: the first may stand for nothing, but only at its place. */
        if (p[at + 1] != '*' && (c != '/' || g->next[at]))
            state_add(g, set, at, c == '/');
        return;
    case '?':
        if (c != '/')
            state_add(g, set, at + 1, false);
        return;
    case '[':
        if (c != '/' && class_has(p, at, (unsigned char)c))
            state_add(g, set, class_end(p, at), false);
        return;
    case '\\':
        if (p[at + 1] == c)
            state_add(g, set, at + 2, c == '/');
        return;
    case '{':
    case '}':
        return;
    case ',':
        if (g->next[at])
            return;
        break;
    }
    if (p[at] == c)
        state_add(g, set, at + 1, c == '/');
}

bool glob_match(const char *pattern, const char *path)
{
    struct glob g;
    if (glob_parse(&g, pattern))
        return false;
    if (!strchr(pattern, '/')) {
        const char *slash = strrchr(path, '/');
        path = slash ? slash + 1 : path;
    }
    uint64_t sets[2][WORDS] = {0}, *now = sets[0], *next = sets[1];
    unsigned words = g.len / 64 + 1;
    state_add(&g, now, 0, true);
    for (; *path; path++) {
        uint64_t any = 0;
        memset(next, 0, words * sizeof *next);
        for (unsigned w = 0; w < words; w++) {
            for (uint64_t bits = now[w]; bits; bits &= bits - 1) {
                unsigned at = w * 64 + (unsigned)__builtin_ctzll(bits);
                if (at < g.len)
                    state_step(&g, next, at, *path);
            }
        }
        for (unsigned w = 0; w < words; w++)
            any |= next[w];
        if (!any)
            return false;
        uint64_t *swap = now;
        now = next;
        next = swap;
    }
    return now[g.len / 64] >> g.len % 64 & 1;
}

char *glob_root(const char *pattern, char *out, size_t size)
{
    size_t n = 0, end = 0; /* end: the last '/' of the constant part */
    bool slash = false;
    for (const char *p = pattern; *p && !strchr("*?[{", *p); p++) {
        if (*p == '\\' && p[1])
            p++;
        if (n + 1 >= size)
            return NULL;
        if (*p == '/') {
            end = n;
            slash = true;
        }
        out[n++] = *p;
    }
    while (end && out[end - 1] == '/')
        end--;
    if (slash && end == 0)
        end = 1; /* the root itself */
    if (end >= size)
        return NULL;
    out[end] = 0;
    return out;
}
