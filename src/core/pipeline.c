#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/pipeline.h"

#include <pcre2.h>
#include <string.h>

#include "base/log.h"
#include "codec/timestamp.h"
#include "codec/wrapped.h"

/* What a hostile line may cost: PCRE2's steps and the memory of both its engines. Beyond it the line does not match. */
enum { MATCH_STEPS = 100000, MATCH_HEAP_KIB = 1024, JIT_STACK_MIN = 32 << 10, JIT_STACK_MAX = 1 << 20 };

struct regex {
    struct thing thing;
    const char *what; /* its name in the configuration */
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    pcre2_jit_stack *stack;
};

struct pipeline {
    struct scope scope;
    struct scope memory; /* PCRE2's, begun before its handles and so ended behind them */
    struct thing general_thing;
    pcre2_general_context *general;
    struct regex start, time; /* alive if configured */
    uint32_t max_lines;
    const char *time_format;
};

static void regex_thing_end(struct thing *t)
{
    struct regex *r = container_of(t, struct regex, thing);
    pcre2_match_context_free(r->limits);
    pcre2_match_data_free(r->match);
    pcre2_jit_stack_free(r->stack);
    pcre2_code_free(r->code);
}

static void general_thing_end(struct thing *t)
{
    pcre2_general_context_free(container_of(t, struct pipeline, general_thing)->general);
}

static void *regex_alloc(size_t size, void *memory)
{
    return mem_new(memory, size, "regex");
}

static void regex_free(void *block, void *memory)
{
    (void)memory;
    mem_free(block);
}

/* PCRE2's memory is under the pipeline, so that budgets count it. */
static bool general_begin(struct pipeline *p)
{
    if (scope_begin(&p->memory, &p->scope, "regex memory") < 0 ||
        thing_begin(&p->general_thing, &p->scope, BIRTH_HANDLE, "regex memory", 0, general_thing_end) < 0)
        return false;
    p->general = pcre2_general_context_create(regex_alloc, regex_free, &p->memory);
    return p->general != NULL;
}

static pcre2_code *regex_compile(struct pipeline *p, const char *pattern, int *code, PCRE2_SIZE *offset)
{
    pcre2_compile_context *c = pcre2_compile_context_create(p->general);
    *code = PCRE2_ERROR_NOMEMORY;
    *offset = 0;
    if (!c)
        return NULL;
    pcre2_code *made = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_NEVER_BACKSLASH_C, code,
                                     offset, c);
    pcre2_compile_context_free(c);
    return made;
}

/* Without JIT it is slower, nothing else; without a stack of its own it gives up on long lines. */
static bool regex_jit(struct regex *r, struct pipeline *p)
{
    if (pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) < 0)
        return true;
    r->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, p->general);
    if (r->stack)
        pcre2_jit_stack_assign(r->limits, NULL, r->stack);
    return r->stack != NULL;
}

static bool regex_begin(struct regex *r, struct pipeline *p, const char *pattern, const char *what,
                        struct buf *error)
{
    int code;
    PCRE2_SIZE offset;
    PCRE2_UCHAR message[120];

    r->what = what;
    if (thing_begin(&r->thing, &p->scope, BIRTH_HANDLE, what, 0, regex_thing_end) < 0) {
        buf_puts(error, "out of memory");
        return false;
    }
    r->code = regex_compile(p, pattern, &code, &offset);
    if (!r->code) {
        pcre2_get_error_message(code, message, sizeof message);
        buf_printf(error, "%s: %s at character %zu of '%s'", what, (char *)message, offset + 1, pattern);
        return false;
    }
    r->match = pcre2_match_data_create_from_pattern(r->code, p->general);
    r->limits = pcre2_match_context_create(p->general);
    if (!r->match || !r->limits || !regex_jit(r, p)) {
        buf_puts(error, "out of memory");
        return false;
    }
    pcre2_set_match_limit(r->limits, MATCH_STEPS);
    pcre2_set_heap_limit(r->limits, MATCH_HEAP_KIB);
    return true;
}

static bool regex_match(struct regex *r, const char *text, size_t len)
{
    int n = pcre2_match(r->code, (PCRE2_SPTR)text, len, 0, 0, r->match, r->limits);
    if (n < 0 && n != PCRE2_ERROR_NOMATCH)
        log_warn("pipeline", "a line is too hard for %s (PCRE2 error %d); it counts as one that does not match",
                 r->what, n);
    return n > 0;
}

struct pipeline *pipeline_new(struct scope *owner, const struct files_group *group, struct buf *error)
{
    struct pipeline *p = scope_new(owner, sizeof *p, "pipeline");
    if (!p) {
        buf_puts(error, "out of memory");
        return NULL;
    }
    const char *bad = NULL;
    p->max_lines = group->multiline.max_lines ? group->multiline.max_lines : UINT32_MAX;
    p->time_format = group->timestamp.format[0] ? group->timestamp.format : "auto";
    bool good = general_begin(p);
    if (!good)
        buf_puts(error, "out of memory");
    if (good && group->multiline.start[0])
        good = regex_begin(&p->start, p, group->multiline.start, "multiline.start", error);
    if (good && group->timestamp.regex[0]) {
        good = regex_begin(&p->time, p, group->timestamp.regex, "timestamp.regex", error);
        bad = good ? timestamp_check(p->time_format) : NULL;
    }
    if (bad)
        buf_printf(error, "timestamp.format '%s': %s", p->time_format, bad);
    if (good && !bad)
        return p;
    scope_end(&p->scope);
    return NULL;
}

bool pipeline_is_multiline(const struct pipeline *p)
{
    return thing_alive(&p->start.thing);
}

bool pipeline_begins(struct pipeline *p, const char *text, size_t len)
{
    return regex_match(&p->start, text, len);
}

uint32_t pipeline_max_lines(const struct pipeline *p)
{
    return p->max_lines;
}

/* A record while lines are joined to it: marks first to last, of which all but the last have MORE. */
struct joining {
    uint32_t first, last, lines;
    uint64_t bytes;
};

static uint32_t joined_length(const struct mark *first, const struct mark *last)
{
    return last->off + last->len - first->off;
}

/* Whether a line belongs to the record. Pieces of one line are never torn apart: only the first is looked at. */
static bool goes_on(struct pipeline *p, const struct batch *b, const struct joining *r, const struct mark *line,
                    uint64_t max_bytes)
{
    const struct mark *last = &b->marks[r->last];
    return r->lines < p->max_lines && r->bytes - last->len + joined_length(last, line) <= max_bytes &&
           line->stream == last->stream && !regex_match(&p->start, b->data + line->off, line->len);
}

/* Joins each line to the one before it that began a record; returns the last record. */
static struct joining join_lines(struct pipeline *p, struct batch *b, uint64_t max_bytes, bool *is_full)
{
    struct joining r = {.lines = 1, .bytes = b->marks[0].len};
    for (uint32_t i = 1; i < b->n; i++) {
        const struct mark line = b->marks[i];
        struct mark *last = &b->marks[r.last];
        if (last->more) { /* another piece of the same line */
            b->marks[++r.last] = line;
            r.bytes += line.len;
        } else if (goes_on(p, b, &r, &line, max_bytes)) {
            r.bytes -= last->len;
            last->len = joined_length(last, &line);
            last->end = line.end;
            last->more = line.more;
            r.bytes += last->len;
            r.lines++;
        } else {
            r = (struct joining){.first = r.last + 1, .last = r.last + 1, .lines = 1, .bytes = line.len};
            b->marks[r.first] = line;
        }
    }
    *is_full = r.lines >= p->max_lines || r.bytes >= max_bytes;
    return r;
}

static bool find_time(struct pipeline *p, const struct batch *b, const struct mark *m, int64_t now, int64_t *found,
                      int64_t *unit)
{
    const char *text = b->data + m->off;
    if (!regex_match(&p->time, text, m->len))
        return false;
    const PCRE2_SIZE *groups = pcre2_get_ovector_pointer(p->time.match);
    bool has_group = pcre2_get_ovector_count(p->time.match) > 1 && groups[2] != PCRE2_UNSET;
    size_t from = groups[has_group ? 2 : 0], to = groups[has_group ? 3 : 1];
    return to > from && timestamp_parse(p->time_format, text + from, to - from, now, found, unit);
}

static int64_t tell_apart(int64_t found, struct pipeline_tie *tie)
{
    tie->n = found == tie->found ? tie->n + 1 : 0;
    tie->found = found;
    return found + tie->n;
}

static int64_t time_of(struct pipeline *p, const struct batch *b, const struct mark *m, int64_t anchor,
                       struct pipeline_tie *tie)
{
    int64_t found, unit;
    if (!find_time(p, b, m, anchor, &found, &unit))
        return anchor + m->off;
    return tell_apart(found + (int64_t)((b->from + m->off) % (uint64_t)unit), tie);
}

int64_t pipeline_time(struct pipeline *p, const struct batch *b, const struct mark *m, int64_t anchor, struct pipeline_tie *tie)
{
    int64_t found, unit;
    if (thing_alive(&p->time.thing) && find_time(p, b, m, anchor, &found, &unit))
        found += (int64_t)((b->from + m->off) % (uint64_t)unit);
    else if (m->time != WRAPPED_NO_TIME)
        found = m->time;
    else
        found = tie->found ? tie->found : anchor + m->off;
    return tell_apart(found, tie);
}

static void set_times(struct pipeline *p, struct batch *b, int64_t anchor, struct pipeline_tie *tie)
{
    bool found = thing_alive(&p->time.thing);
    for (uint32_t i = 0; i < b->n; i++) {
        struct mark *m = &b->marks[i];
        if (i && m[-1].more)
            m->time = m[-1].time;
        else
            m->time = found ? time_of(p, b, m, anchor, tie) : anchor + m->off;
    }
}

int pipeline_run(struct pipeline *p, struct batch *b, int64_t anchor, struct pipeline_tie *tie, uint64_t max_bytes,
                 bool flush)
{
    int held = 0;
    if (pipeline_is_multiline(p) && b->n > 0) {
        bool full, crowded = b->n == b->cap;
        struct joining r = join_lines(p, b, max_bytes, &full);
        full |= crowded && r.first == 0; /* there would be no more marks for it the next time */
        held = !flush && !full;
        b->n = held ? r.first : r.last + 1;
        if (held)
            b->to = b->from + (r.first ? b->marks[r.first - 1].end : b->marks[0].off);
    }
    set_times(p, b, anchor, tie);
    return held;
}
