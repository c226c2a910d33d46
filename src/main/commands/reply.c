#include "main/commands/reply.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "main/commands/ask.h"
#include "main/commands/cell.h"
#include "main/commands/commands.h"
#include "main/commands/load.h"

enum { PATH = 200, FIRST_ROOM = 256, ERROR_BYTES = 200, ANSWER_BYTES = 16 << 20 };

struct reading {
    struct reply *reply;
    struct scope *scope;
    struct json json;
};

static int put(struct reading *g, const char *path, const char *text)
{
    struct reply *r = g->reply;
    if (r->n == r->room) {
        size_t room = r->room ? r->room * 2 : FIRST_ROOM;
        struct reply_value *more = scope_alloc(g->scope, room * sizeof *more);
        if (!more)
            return -ENOMEM;
        if (r->n)
            memcpy(more, r->values, r->n * sizeof *more);
        r->values = more;
        r->room = room;
    }
    char *copy = scope_strdup(g->scope, path);
    if (!copy || !text)
        return -ENOMEM;
    r->values[r->n++] = (struct reply_value){copy, text};
    return 0;
}

static int put_token(struct reading *g, const char *path)
{
    struct json *j = &g->json;
    static const char *const words[] = {[JSON_TRUE] = "true", [JSON_FALSE] = "false", [JSON_NULL] = ""};
    if (j->type >= JSON_TRUE)
        return put(g, path, words[j->type]);
    char *text = scope_alloc(g->scope, j->len + 1);
    if (text && j->type == JSON_STRING)
        text[json_unescape(j, text)] = 0;
    else if (text)
        memcpy(text, j->text, j->len);
    return put(g, path, text);
}

static int read_value(struct reading *g, const char *path);

static int read_object(struct reading *g, const char *path)
{
    struct json *j = &g->json;
    char inner[PATH];
    int r = 0;
    while (r == 0 && json_next(j) == JSON_KEY) {
        snprintf(inner, sizeof inner, "%s%s%.*s", path, *path ? "." : "", (int)j->len, j->text);
        json_next(j);
        r = read_value(g, inner);
    }
    return r < 0 || j->type == JSON_OBJECT_END ? r : -EBADMSG;
}

static int read_array(struct reading *g, const char *path)
{
    struct json *j = &g->json;
    char inner[PATH], count[16];
    unsigned n = 0;
    int r = 0;
    while (r == 0 && json_next(j) != JSON_ARRAY_END) {
        snprintf(inner, sizeof inner, "%s%s%u", path, *path ? "." : "", n++);
        r = read_value(g, inner);
    }
    if (r < 0)
        return r;
    snprintf(inner, sizeof inner, "%s%s#", path, *path ? "." : "");
    snprintf(count, sizeof count, "%u", n);
    return put(g, inner, scope_strdup(g->scope, count));
}

/* The token of the value was read. The scanner bounds the depth. */
static int read_value(struct reading *g, const char *path)
{
    switch (g->json.type) {
    case JSON_OBJECT_BEGIN: return read_object(g, path);
    case JSON_ARRAY_BEGIN: return read_array(g, path);
    case JSON_STRING:
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL: return put_token(g, path);
    default: return -EBADMSG;
    }
}

static int by_path(const void *a, const void *b)
{
    const struct reply_value *x = a, *y = b;
    return strcmp(x->path, y->path);
}

int reply_read(struct reply *r, struct scope *scope, const char *json, size_t size)
{
    struct reading g = {.reply = r, .scope = scope};
    *r = (struct reply){0};
    json_begin(&g.json, json, size);
    json_next(&g.json);
    int e = read_value(&g, "");
    if (r->n)
        qsort(r->values, r->n, sizeof *r->values, by_path);
    return e;
}

static void say(const char *error)
{
    fputs("logcap: the agent says: ", stderr);
    cell_write(stderr, error);
    putc('\n', stderr);
}

int reply_ask(struct reply *r, struct scope *scope, const struct config *c, const char *path, struct buf *answer)
{
    char error[ERROR_BYTES] = "";
    long status = 0;
    buf_clear(answer);
    int e = ask_agent(scope, c, path, answer, &status, error, sizeof error);
    if (e == 0)
        e = reply_read(r, scope, answer->data, answer->len);
    if (e == -ENOTCONN || e == -ENOMEM)
        ask_complain(e, c, error);
    else if (e < 0)
        fputs("logcap: the agent's answer makes no sense; is it a logcap of this version?\n", stderr);
    else if (status >= 400)
        say(reply_text(r, "error"));
    return e < 0 || status >= 400 ? EXIT_FAILED : EXIT_DONE;
}

void reply_complain(struct scope *scope, const struct buf *answer)
{
    struct reply r;
    const char *error = reply_read(&r, scope, answer->data, answer->len) == 0 ? reply_text(&r, "error") : "";
    if (*error)
        say(error);
    else
        fwrite(answer->data, 1, answer->len, stderr);
}

static int show(struct scope *scope, const char *file, const char *path, bool json, reply_print *print, bool more)
{
    struct reply r;
    struct buf answer;
    struct config *c = load_place_or_say(scope, file);
    if (!c)
        return EXIT_USAGE;
    if (buf_begin(&answer, scope, "answer", ANSWER_BYTES) < 0)
        return EXIT_FAILED;
    int code = reply_ask(&r, scope, c, path, &answer);
    if (code == EXIT_DONE && json)
        fwrite(answer.data, 1, answer.len, stdout);
    else if (code == EXIT_DONE)
        print(&r, more);
    buf_end(&answer);
    return code;
}

int reply_show(const char *file, const char *path, bool json, reply_print *print, bool more)
{
    struct scope scope;
    if (scope_begin(&scope, &scope_root, "command") < 0)
        return EXIT_FAILED;
    int code = show(&scope, file, path, json, print, more);
    scope_end(&scope);
    return code;
}

__attribute__((format(printf, 2, 0))) static const char *find(const struct reply *r, const char *format, va_list ap)
{
    char path[PATH];
    vsnprintf(path, sizeof path, format, ap);
    struct reply_value key = {.path = path};
    const struct reply_value *v = r->n ? bsearch(&key, r->values, r->n, sizeof key, by_path) : NULL;
    return v ? v->text : "";
}

const char *reply_text(const struct reply *r, const char *path, ...)
{
    va_list ap;
    va_start(ap, path);
    const char *text = find(r, path, ap);
    va_end(ap);
    return text;
}

double reply_number(const struct reply *r, const char *path, ...)
{
    va_list ap;
    va_start(ap, path);
    const char *text = find(r, path, ap);
    va_end(ap);
    return strtod(text, NULL);
}
