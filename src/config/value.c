#define PCRE2_CODE_UNIT_WIDTH 8
#include "config/value.h"

#include <errno.h>
#include <inttypes.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "codec/glob.h"
#include "config/limits.h"
#include "config/suggest.h"
#include "config/units.h"

struct target {
    struct scope *scope;
    void *field;
    const struct option *option;
    const char *path; /* as in the file, for messages */
    struct problems *problems;
};

static int wrong(const struct target *t, const struct node *n)
{
    if (n->kind == NODE_NULL)
        problem(t->problems, n->at, "%s has no value; write %s, or remove it", t->path, option_type_name(t->option->type));
    else if (n->kind == NODE_SCALAR)
        problem(t->problems, n->at, "%s must be %s, not '%.80s'", t->path, option_type_name(t->option->type), n->text);
    else
        problem(t->problems, n->at, "%s must be %s, not %s", t->path, option_type_name(t->option->type),
                node_kind_name(n->kind));
    return -EINVAL;
}

static int set_bool(const struct target *t, const struct node *n)
{
    bool yes = node_is(n, "true") || node_is(n, "yes") || node_is(n, "on");
    if (!yes && !node_is(n, "false") && !node_is(n, "no") && !node_is(n, "off"))
        return wrong(t, n);
    *(bool *)t->field = yes;
    return 0;
}

static const char *number_text(const struct option *o, uint64_t value, char text[UNITS_TEXT])
{
    if (o->type == OPTION_SIZE)
        return units_size_text(value, text);
    if (o->type == OPTION_TIME)
        return units_time_text((int64_t)value, text);
    snprintf(text, UNITS_TEXT, "%" PRIu64, value);
    return text;
}

static int set_number(const struct target *t, const struct node *n)
{
    const struct option *o = t->option;
    char least[UNITS_TEXT], most[UNITS_TEXT];
    uint64_t value = 0;
    int64_t time;
    bool good = n->kind == NODE_SCALAR;

    if (good && o->type == OPTION_TIME) {
        good = units_time_from(n->text, &time);
        value = (uint64_t)time;
    } else if (good) {
        good = o->type == OPTION_SIZE ? units_size_from(n->text, &value) : units_count_from(n->text, &value);
    }
    if (!good)
        return wrong(t, n);
    if (value < o->least || value > o->most) {
        problem(t->problems, n->at, "%s must be between %s and %s, not %.80s", t->path,
                number_text(o, o->least, least), number_text(o, o->most, most), n->text);
        return -EINVAL;
    }
    if (o->width == sizeof(uint32_t))
        *(uint32_t *)t->field = (uint32_t)value;
    else
        *(uint64_t *)t->field = value;
    return 0;
}

static int set_choice(const struct target *t, const struct node *n)
{
    struct suggest near;
    char words[128];
    int index = 0;

    if (n->kind != NODE_SCALAR)
        return wrong(t, n);
    snprintf(words, sizeof words, "%s", t->option->choices);
    suggest_begin(&near, n->text);
    for (char *save, *word = strtok_r(words, "|", &save); word; word = strtok_r(NULL, "|", &save), index++) {
        if (strcmp(word, n->text) == 0) {
            if (t->option->width == sizeof(bool))
                *(bool *)t->field = index != 0;
            else
                *(int *)t->field = index;
            return 0;
        }
        suggest_offer(&near, word);
    }
    problem(t->problems, n->at, "%s must be one of %s, not '%.80s'%s%s%s", t->path, t->option->choices, n->text,
            near.best ? "; did you mean '" : "", near.best ? near.best : "", near.best ? "'?" : "");
    return -EINVAL;
}

/* libpcre2's object, only to see whether it can be made. */
struct regex {
    struct thing thing;
    pcre2_code *code;
};

static void regex_end(struct thing *t)
{
    pcre2_code_free(container_of(t, struct regex, thing)->code);
}

static int check_regex(const struct target *t, const struct node *n)
{
    struct regex r = {0};
    PCRE2_UCHAR message[128];
    PCRE2_SIZE at;
    int error;

    if (thing_begin(&r.thing, t->scope, BIRTH_HANDLE, "regex", 0, regex_end) < 0)
        return -ENOMEM;
    r.code = pcre2_compile((PCRE2_SPTR)n->text, PCRE2_ZERO_TERMINATED, 0, &error, &at, NULL);
    bool good = r.code != NULL;
    if (good)
        thing_end(&r.thing);
    else
        thing_unborn(&r.thing);
    if (good)
        return 0;
    pcre2_get_error_message(error, message, sizeof message);
    problem(t->problems, n->at, "%s is no valid regular expression: %s, at its character %zu", t->path,
            (const char *)message, at + 1);
    return -EINVAL;
}

static bool is_http_url(const char *text)
{
    const char *host = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : NULL;
    return host && *host && *host != '/' && !strpbrk(text, " \t\r\n");
}

static int set_string(const struct target *t, const struct node *n)
{
    if (n->kind != NODE_SCALAR)
        return wrong(t, n);
    enum option_type type = t->option->type;
    if ((type == OPTION_PATH && n->text[0] != '/') || (type == OPTION_URL && *n->text && !is_http_url(n->text)))
        return wrong(t, n);
    if (type == OPTION_REGEX && *n->text) {
        int r = check_regex(t, n);
        if (r < 0)
            return r;
    }
    char *copy = scope_strdup(t->scope, n->text);
    if (!copy)
        return -ENOMEM;
    *(const char **)t->field = copy;
    return 0;
}

static unsigned count(const struct node *list)
{
    unsigned n = 0;
    for (const struct node *i = list->first; i; i = i->next)
        n++;
    return n;
}

static bool is_glob(enum option_type type)
{
    return type == OPTION_GLOBS || type == OPTION_PATHS;
}

static int set_strings(const struct target *t, const struct node *n)
{
    if (n->kind != NODE_LIST)
        return wrong(t, n);
    struct string_list list = {.items = scope_alloc(t->scope, (count(n) + 1) * sizeof *list.items)};
    if (!list.items)
        return -ENOMEM;
    for (const struct node *i = n->first; i; i = i->next) {
        if (i->kind != NODE_SCALAR || !*i->text) {
            problem(t->problems, i->at, "an entry of %s must be a text, not %s", t->path,
                    i->kind == NODE_SCALAR ? "empty" : node_kind_name(i->kind));
            return -EINVAL;
        }
        if (t->option->type == OPTION_PATHS && i->text[0] != '/') {
            problem(t->problems, i->at, "'%.80s' in %s must be an absolute path, such as /var/log/*.log", i->text, t->path);
            return -EINVAL;
        }
        const char *fault = is_glob(t->option->type) ? glob_check(i->text) : NULL;
        if (fault) {
            problem(t->problems, i->at, "'%.80s' in %s is no valid pattern: %s", i->text, t->path, fault);
            return -EINVAL;
        }
        if (!(list.items[list.n++] = scope_strdup(t->scope, i->text)))
            return -ENOMEM;
    }
    *(struct string_list *)t->field = list;
    return 0;
}

/* NULL, or what is wrong with the name. */
static const char *name_fault(enum option_type type, const char *name)
{
    if (!*name)
        return "is empty";
    if (type == OPTION_HEADERS)
        return strpbrk(name, ": \t\r\n") ? "is no header name" : NULL;
    if (strncmp(name, "__", 2) == 0)
        return "is reserved: names with two underscores belong to Loki";
    bool first = true;
    for (const char *c = name; *c; c++, first = false)
        if (*c != '_' && !(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') && (first || *c < '0' || *c > '9'))
            return "must be letters, digits and '_', and begin with no digit";
    return strlen(name) > STREAM_LABEL_NAME ? "is too long" : NULL;
}

static int set_labels(const struct target *t, const struct node *n)
{
    if (n->kind != NODE_MAP)
        return wrong(t, n);
    unsigned most = count(n);
    if (most > STREAM_LABELS) {
        problem(t->problems, n->at, "%s cannot have more than %d entries", t->path, STREAM_LABELS);
        return -EINVAL;
    }
    struct label_list list = {.items = scope_alloc(t->scope, (most + 1) * sizeof *list.items)};
    if (!list.items)
        return -ENOMEM;
    for (const struct node *i = n->first; i; i = i->next) {
        const char *fault = name_fault(t->option->type, i->key);
        if (!fault && i->kind != NODE_SCALAR)
            fault = "must have a text as its value";
        if (!fault && (strlen(i->text) > STREAM_LABEL_VALUE || strpbrk(i->text, "\r\n")))
            fault = "has a value that is too long, or has line breaks";
        if (fault) {
            problem(t->problems, i->key_at, "'%.80s' in %s %s", i->key, t->path, fault);
            return -EINVAL;
        }
        struct label *l = &list.items[list.n++];
        l->name = scope_strdup(t->scope, i->key);
        l->value = scope_strdup(t->scope, i->text);
        if (!l->name || !l->value)
            return -ENOMEM;
    }
    *(struct label_list *)t->field = list;
    return 0;
}

int value_set(struct scope *scope, void *base, const struct option *o, const char *full_path,
              const struct node *n, struct problems *problems)
{
    const struct target t = {scope, (char *)base + o->offset, o, full_path, problems};
    switch (o->type) {
    case OPTION_BOOL:
        return set_bool(&t, n);
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_TIME:
        return set_number(&t, n);
    case OPTION_CHOICE:
        return set_choice(&t, n);
    case OPTION_STRINGS:
    case OPTION_GLOBS:
    case OPTION_PATHS:
        return set_strings(&t, n);
    case OPTION_LABELS:
    case OPTION_HEADERS:
        return set_labels(&t, n);
    default:
        return set_string(&t, n);
    }
}
